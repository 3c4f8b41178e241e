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

validation {
  suite = "data"

  sample "rhopi" {
    channel     = "J/psi -> rho pi"
    job_options = ["data/file"]
    result      = "rhopi.json"
    events      = 10
    seed        = 1
  }

  observable "mass" {
    samples    = ["rhopy"]
    histograms = ["mpp"]
    reference = "previous"
    test      = "ks"
  }

  observable "mass" {
    samples    = ["zzz"]
    histograms = ["mpp"]
    reference = "previous"
    test      = "ks"
  }

  observable "other" {
    samples    = ["zzz"]
    histograms = ["a/b"]
    reference = "previous"
    test      = "anderson"
  }
}
