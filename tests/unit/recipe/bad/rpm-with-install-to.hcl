release "bad" "1.0" {
  extends = "el"
  title   = "Bad"
  date    = "2020-01-01"
  license = "MIT"
}
package "boss" {
  source "rpm_repository" {
    url      = "https://a.example/"
    packages = ["boss"]
  }
  install_to = "/opt/boss"
}
