release "bad" "1.0" {
  extends = "el"
  title   = "Bad"
  date    = var.day
  license = "MIT"
}
variable "day" {}
variable "url" {}
variable "suite" {
  description = "unused"
}
locals {
  url = "${var.url}/x"
}
os {
  rpm_repository "os" {
    url = local.url
  }
}

package "boss" {
  source "directory" {
    path = "data"
  }
  install_to = "/opt/boss"
}
