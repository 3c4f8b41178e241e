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
  suite                  = "data"
  family_wise_error_rate = 0.75
}
