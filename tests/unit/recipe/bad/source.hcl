release "bad" "1.0" {
  extends = "el"
  title   = "Bad"
  date    = "2020-01-01"
  license = "MIT"
}
package "boss" {
  source "svn" {
    path = "data"
  }
}
external_library "a" {
  version    = "1"
  install_to = "/a"
  source "rpm_repository" {
    url = "https://a.example/"
  }
}
external_library "b" {
  version    = "1"
  install_to = "/b"
}
