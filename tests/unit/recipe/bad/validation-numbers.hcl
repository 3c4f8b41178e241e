release "bad" "1.0" {
  extends = "el"
  title   = "Bad"
  date    = "2020-01-01"
  license = "MIT"
}

package "boss" {
  source "directory" {
    path = "data"
  }
  install_to = "/opt/boss"
}

locals {
  none = 0
}

validation {
  suite                  = "data"
  family_wise_error_rate = local.none

  sample "rhopi" {
    channel         = "J/psi -> rho pi"
    job_options     = ["data/file"]
    result          = "rhopi.json"
    events          = 10
    emulated_events = 11
    seed            = 0
  }

  reference "data" {
    title   = "data"
    results = "data"
  }

  observable "mass" {
    samples    = ["rhopi"]
    histograms = ["mpp"]
    reference = "data"
    test      = "ks"
    tolerance = -0.1
  }

  observable "angle" {
    samples    = ["rhopi"]
    histograms = ["angle"]
    reference = "data"
    test      = "ks"
    tolerance = "0.1"
  }

  observable "p" {
    samples    = ["rhopi"]
    histograms = ["p"]
    reference = "data"
    test      = "ks"
    tolerance = 1.5
  }
}
