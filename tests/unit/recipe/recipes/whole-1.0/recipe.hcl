release "whole" "1.0" {
  extends = "el"
  title   = "Whole ${release.version}"
  date    = "2020-02-29"
  license = "MIT"
}

variable "prefix" {
  default = "/opt"
}

os {
  packages = concat(local.common, ["python3"])

  rpm_repository "extra" {
    gpgcheck = true
  }

  rpm_repository "third" {
    url = "https://third.example/${lower("EL")}"
  }
}

puppet {
  manifest = "puppet/site.pp"
}

external_library "clhep" {
  version    = "2.4.7.1"
  install_to = "${var.prefix}/clhep"

  source "directory" {
    path = "libraries/clhep"
  }

  environment = {
    CLHEP_DIR = "${var.prefix}/clhep"
  }
}

external_library "geant4" {
  version    = "4.9.3.p01"
  install_to = "${var.prefix}/geant4"

  source "tarball" {
    url              = "https://sources.example/geant4.tgz"
    sha256           = "${join("", ["00000000000000000000000000000000", "ffffffffffffffffffffffffffffffff"])}"
    strip_components = 1
  }
}

package "boss" {
  source "rpm_repository" {
    url      = "https://boss.example/"
    packages = ["boss-${release.version}"]
    gpgcheck = false
  }
}

document "notes" {
  file = "documents/notes.md"
}

document "paper" {
  title  = "A paper"
  url    = "https://papers.example/1.pdf"
  sha256 = "1111111111111111111111111111111111111111111111111111111111111111"
}

image "oci" {
  command = ["/bin/sh", "-c", "echo $${HOME}"]
}

image "sif" {}

image "vm" {
  disk             = "${length(local.common)}TiB"
  uefi             = true
  disk_bus         = "sata"
  packages         = ["kernel"]
  kernel_arguments = ["net.ifnames=0"]
}

validation {
  suite      = "validation"
  time_limit = os.family == "el" ? 60 : 30
}
