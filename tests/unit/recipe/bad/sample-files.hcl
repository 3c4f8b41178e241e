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
    job_options = ["data/file", "data/../data/file"]
    files       = ["data/file", "data/none"]
    result      = "file"
    events      = 10
    seed        = 1
  }

  sample "ee" {
    channel     = ""
    job_options = []
    command     = []
    result      = "../x"
    events      = 1.5
    seed        = 1
  }
}
