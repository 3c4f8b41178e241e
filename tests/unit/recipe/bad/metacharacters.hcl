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
  family   = "el;rm"
  packages = ["bash", "a b", "$(id)", "-y", ""]
}
external_library "a|b" {
  version    = "1"
  install_to = "/opt/../etc"
  source "directory" {
    path = "data/`id`"
  }
}
external_library "c" {
  version    = "1\n"
  install_to = "relative"
  source "directory" {
    path = "data"
  }
}
