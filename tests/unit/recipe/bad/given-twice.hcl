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

os {
  family = "a"
  family = "b"
}
validation {
  suite = "data"
}
validation {
  suite = "data"
}
document "a" {
  file = "data/file"
}
document "a" {
  file = "data/file"
}
locals {
  a = { x = 1, x = 2 }
  b = 1
}
locals {
  b = 2
}
