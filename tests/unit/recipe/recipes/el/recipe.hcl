base "el" {
  title = "An operating system for tests"
}

variable "vault" {
  description = "Where the repositories are served"
  default     = "http://vault.example"
}

locals {
  tree   = "${var.vault}/el/${os.version}"
  common = ["bash", "coreutils"]
}

os {
  family       = "el"
  version      = "1"
  architecture = "x86_64"
  packages     = local.common

  rpm_repository "os" {
    url      = "${local.tree}/os/"
    gpg_keys = ["keys/RPM-GPG-KEY"]
  }

  rpm_repository "extra" {
    url      = "${local.tree}/extra/"
    gpg_keys = ["keys/RPM-GPG-KEY", "${local.tree}/KEY"]
    gpgcheck = false
  }
}

puppet {
  manifest = "puppet/site.pp"
  modules  = ["puppet/modules/site"]
}
