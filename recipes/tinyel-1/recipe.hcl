# What every release on Tiny Enterprise Linux 1 shares: the operating system, a site's configuration of it, and the shapes
# that its images come in.

base "tinyel-1" {
  title = "Tiny Enterprise Linux 1"
}

variable "upstream" {
  description = "Where the example upstream is served (python -m example.upstream serve)"
  default     = "http://127.0.0.1:18217"
}

locals {
  tinyel = "${var.upstream}/tinyel/1/x86_64/os"
}

os {
  family        = "tinyel"
  version       = "1"
  architecture  = "x86_64"
  date          = "2020-01-01"
  stands_in_for = "an Enterprise Linux; it is made of Debian binaries"

  packages = [
    "bash",
    "bsdutils",
    "coreutils",
    "dash",
    "dbus",
    "diffutils",
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
    "login",
    "mawk",
    "mount",
    "ncurses-base",
    "openssh-server",
    "passwd",
    "procps",
    "puppet-agent",
    "python3",
    "python3-numpy",
    "qemu-guest-agent",
    "rpm",
    "sed",
    "setup",
    "systemd",
    "systemd-sysv",
    "systemd-timesyncd",
    "tar",
    "tzdata",
    "udev",
    "util-linux",
  ]

  rpm_repository "os" {
    url           = "${local.tinyel}/"
    gpg_keys      = ["${local.tinyel}/RPM-GPG-KEY-tinyel"]
    gpgcheck      = true
    repo_gpgcheck = true
  }
}

puppet {
  manifest   = "puppet/site.pp"
  modules    = ["puppet/modules/worker_node"]
  hiera      = "puppet/hiera.yaml"
  hiera_data = "puppet/data"
}

# Every release is built in all three shapes. What it takes to make a machine of this system is the system's own:
# its kernel is not among the packages of `os`, finds its root disk without an initramfs, and only on NVMe.

image "oci" {}

image "sif" {}

image "vm" {
  disk     = "2GiB"
  memory   = "1GiB"
  disk_bus = "nvme"
  packages = ["linux-image-cloud-amd64"]
}
