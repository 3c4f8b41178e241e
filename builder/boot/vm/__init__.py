"""The shape vm: a virtual machine of QEMU."""
