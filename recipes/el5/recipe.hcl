# Scientific Linux 5.11, for releases that were built for it (CMTCONFIG says slc5).
#
# What is odd about so old a system is dealt with by its family: ext3, since its kernel knows ext4 as a preview only. Its
# disk is on IDE, which every kernel of it finds. Its binaries need vsyscall, which a host's kernel may lack: boot the
# virtual machine there, or start the host with vsyscall=emulate.

base "el5" {
  extends = "boss"
  title   = "BOSS on Scientific Linux 5"
}

variable "vault" {
  description = "where the RPMs of Scientific Linux 5.11 for x86_64 are served; they were below ftp.scientificlinux.org, linux/scientific/obsolete/511"
  example     = "https://vault.example/scientific/5.11/x86_64"
}

variable "vault_keys" {
  description = "the public keys that sign them, addresses as a list in JSON"
  example     = ["https://vault.example/scientific/RPM-GPG-KEY-sl"]
}

variable "wlcg" {
  description = "where the meta-package HEP_OSlibs_SL5 is served; it was at linuxsoft.cern.ch, wlcg/sl5/x86_64"
  example     = "https://vault.example/wlcg/sl5/x86_64"
}

variable "wlcg_keys" {
  description = "the public keys that sign it, addresses as a list in JSON"
  example     = ["https://vault.example/wlcg/RPM-GPG-KEY-wlcg"]
}

variable "puppet_repository" {
  description = "where an agent of Puppet for Enterprise Linux 5 is served; the last ones were of the time of Puppet 4 and 5"
  example     = "https://vault.example/puppet/el5/x86_64"
}

variable "puppet_keys" {
  description = "the public keys that sign it, addresses as a list in JSON"
  example     = ["https://vault.example/puppet/RPM-GPG-KEY-puppet"]
}

variable "puppet_package" {
  description = "what the agent's package is called there"
  example     = "puppet-agent"
}

# 5.11 is the last one; the day is that of its release (endoflife-date/release-data), and stands for all that releases share.
# HEP_OSlibs_SL5: quattor/template-library-grid: features/wlcg/config.pan. What it requires is its own business.
os {
  family       = "el5"
  version      = "5.11"
  architecture = "x86_64"
  date         = "2014-11-13"
  packages     = ["@core", "HEP_OSlibs_SL5", var.puppet_package]

  rpm_repository "os" {
    url      = "${var.vault}/"
    gpg_keys = var.vault_keys
  }

  rpm_repository "wlcg" {
    url      = "${var.wlcg}/"
    gpg_keys = var.wlcg_keys
  }

  rpm_repository "puppet" {
    url      = "${var.puppet_repository}/"
    gpg_keys = var.puppet_keys
  }
}

image "vm" {
  disk_bus = "ide"
}
