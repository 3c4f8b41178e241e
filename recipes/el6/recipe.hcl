# Scientific Linux 6.10, for releases that were built for it (CMTCONFIG says slc6).
#
# Its kernel reads ext4 without what came later; the disk is made so for every family. Its binaries need vsyscall, as those of
# Enterprise Linux 5 do.

base "el6" {
  extends = "boss"
  title   = "BOSS on Scientific Linux 6"
}

variable "vault" {
  description = "where the RPMs of Scientific Linux 6.10 for x86_64 are served; they were at ftp.scientificlinux.org, linux/scientific/obsolete/6.10/x86_64/os"
  example     = "https://vault.example/scientific/6.10/x86_64/os"
}

variable "vault_keys" {
  description = "the public keys that sign them, addresses as a list in JSON"
  example     = ["https://vault.example/scientific/RPM-GPG-KEY-sl", "https://vault.example/scientific/RPM-GPG-KEY-sl6"]
}

variable "wlcg" {
  description = "where the meta-package HEP_OSlibs_SL6 is served; it was at linuxsoft.cern.ch, wlcg/sl6/x86_64"
  example     = "https://vault.example/wlcg/sl6/x86_64"
}

variable "wlcg_keys" {
  description = "the public keys that sign it, addresses as a list in JSON"
  example     = ["https://vault.example/wlcg/RPM-GPG-KEY-wlcg"]
}

variable "puppet_repository" {
  description = "where an agent of Puppet for Enterprise Linux 6 is served; the last ones were of Puppet 7"
  example     = "https://vault.example/puppet/el6/x86_64"
}

variable "puppet_keys" {
  description = "the public keys that sign it, addresses as a list in JSON"
  example     = ["https://vault.example/puppet/RPM-GPG-KEY-puppet"]
}

# 6.10 is the last one; the day is that of its release (endoflife-date/release-data), and stands for all that releases share.
# HEP_OSlibs_SL6: quattor/template-library-grid: features/wlcg/config.pan. What it requires is its own business.
os {
  family       = "el6"
  version      = "6.10"
  architecture = "x86_64"
  date         = "2018-07-10"
  packages     = ["@core", "HEP_OSlibs_SL6", "puppet-agent"]

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
