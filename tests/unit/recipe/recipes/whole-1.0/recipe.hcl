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

  family_wise_error_rate = 0.05

  sample "rhopi" {
    channel         = "J/psi -> rho pi"
    job_options     = ["jobs/jobOptions_sim.txt", "jobs/jobOptions_rec.txt"]
    files           = ["jobs/rhopi.dec"]
    result          = "rhopi.json"
    events          = 2000
    emulated_events = 100
    seed            = 4242
  }

  reference "previous" {
    title   = "the previous release"
    release = "whole-0.9"
  }

  reference "data" {
    title         = "data"
    results       = "data"
    stands_in_for = "data of BESIII"
  }

  observable "tracking-efficiency" {
    samples    = ["rhopi"]
    histograms = ["trk_eff_pt"]
    reference  = "previous"
    test       = "binomial-ratio"
    tolerance  = 0.005
  }

  observable "mass" {
    samples    = ["rhopi"]
    histograms = ["mpp"]
    reference  = "data"
    test       = "ks"
    critical   = false
  }
}

bookkeeping {
  source "csv" {
    table    = "bookkeeping/CalVtxLumVer.csv"
    payloads = "bookkeeping/payloads"
  }

  accept = ["gap", "default-version"]
}
