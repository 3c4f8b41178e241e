# CentOS 7, for releases that need it (7.0.8 and later).
#
# Its systemd does not start in a container on a host with cgroup 2 alone; what is tested there is the virtual machine.

base "el7" {
  extends = "boss"
  title   = "BOSS on CentOS 7"
}

variable "vault" {
  description = "where CentOS's vault is served"
  default     = "https://vault.centos.org"
}

variable "puppet_repository" {
  description = "where an agent of Puppet 7 or 8, or of OpenVox 8, for Enterprise Linux 7 is served"
  example     = "https://vault.example/puppet/el7/x86_64"
}

variable "puppet_keys" {
  description = "the public keys that sign it, addresses as a list in JSON"
  example     = ["https://vault.example/puppet/RPM-GPG-KEY-puppet"]
}

locals {
  centos = "${var.vault}/7.9.2009/os/x86_64"
}

# What a public container of BOSS installs on CentOS 7.8.2003, of which 7.9.2009 is the last update, without what mounts
# cvmfs: j-reher/bossdocker: bossdocker-base/Dockerfile. The day is that of the update's announcement.
os {
  family       = "el7"
  version      = "7.9.2009"
  architecture = "x86_64"
  date         = "2020-11-12"

  packages = [
    "@core",
    "compat-libf2c-34",
    "glibc-devel",
    "libXi",
    "libXi-devel",
    "libXpm",
    "libXpm-devel",
    "make",
    "mesa-libGLU",
    "openmotif",
    "openmotif-devel",
    "openssl098e",
    "procmail",
    "puppet-agent",
    "wget",
  ]

  rpm_repository "os" {
    url      = "${local.centos}/"
    gpg_keys = ["${local.centos}/RPM-GPG-KEY-CentOS-7"]
  }

  rpm_repository "puppet" {
    url      = "${var.puppet_repository}/"
    gpg_keys = var.puppet_keys
  }
}
