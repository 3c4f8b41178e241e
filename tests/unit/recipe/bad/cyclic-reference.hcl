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
  a = local.b
  b = "x${local.c}"
  c = [local.a]
  d = local.d
}
os {
  family  = "x${os.version}"
  version = "x${os.family}"
}
