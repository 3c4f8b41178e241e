# The packages that a machine needs to boot, kernel included, and nothing else: what `make bench` builds in all shapes.

release "boot-set" "1" {
  title   = "The boot set of Tiny Enterprise Linux 1"
  date    = "2020-01-01"
  license = "MIT"
}

variable "upstream" {
  description = "Where the example upstream is served"
}

locals {
  tinyel = "${var.upstream}/tinyel/1/x86_64/os"
}

os {
  family        = "tinyel"
  version       = "1"
  architecture  = "x86_64"
  stands_in_for = "an Enterprise Linux; it is made of Debian binaries"

  packages = [
    "bash",
    "coreutils",
    "dbus",
    "filesystem",
    "findutils",
    "grep",
    "gzip",
    "hostname",
    "iproute2",
    "kmod",
    "libc-bin",
    "libpam-modules",
    "libpam-systemd",
    "linux-image-cloud-amd64",
    "login",
    "mawk",
    "mount",
    "openssh-server",
    "passwd",
    "procps",
    "qemu-guest-agent",
    "sed",
    "setup",
    "systemd",
    "systemd-sysv",
    "tar",
    "udev",
    "util-linux",
  ]

  rpm_repository "os" {
    url      = "${local.tinyel}/"
    gpg_keys = ["${local.tinyel}/RPM-GPG-KEY-tinyel"]
  }
}

package "boss" {
  install_to = "/opt/boss"

  source "directory" {
    path = "release"
  }
}

image "oci" {}

image "sif" {}

image "vm" {
  disk     = "1GiB"
  disk_bus = "nvme"
}
