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
  family   = 1
  packages = "bash"
  date     = "tomorrow"

  rpm_repository "os" {
    gpgcheck = "yes"
    gpg_keys = [true]
  }
}
validation {
  suite      = "data"
  time_limit = 1.5
}
external_library "a" {
  version     = null
  install_to  = "/a"
  environment = { A = 1, "B-C" = "x" }
  source "tarball" {
    url              = "https://a.example/a"
    sha256           = "${lower("ABC")}"
    strip_components = 10
  }
}
