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

bookkeeping {
  release = "6.6.4"
}
