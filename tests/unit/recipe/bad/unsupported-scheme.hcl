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
  rpm_repository "os" {
    url      = "ftp://a.example/"
    gpg_keys = ["file:///etc/passwd"]
  }
  rpm_repository "b" {
    url = "a.example/x"
  }
  rpm_repository "c" {
    url = "http:///x"
  }
  rpm_repository "d" {
    url = "https://a.example/$(id)"
  }
}
