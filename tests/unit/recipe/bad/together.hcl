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
}
document "a" {
}
document "b" {
  file = "data/file"
  url  = "https://a.example/"
}
document "c" {
  url = "https://a.example/"
}
external_library "a" {
  version    = "1"
  install_to = "/opt/x"
  source "directory" {
    path = "data"
  }
}
external_library "b" {
  version    = "1"
  install_to = "/opt//x/"
  source "directory" {
    path = "data"
  }
}
