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
  source "mariadb" {
    host              = "db.example; rm"
    port              = 70000
    user              = "reader"
    password          = "secret"
    password_variable = "a-b"
    payloads          = ["Mdc CalConst"]
  }

  install_to = "/usr/share/"
  accept     = ["gap", "overlaps"]
}
