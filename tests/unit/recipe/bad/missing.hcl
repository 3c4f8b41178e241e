release "bad" "1.0" {
  title = "Bad"
}
os {
  family = "el"
  rpm_repository "os" {
  }
}
validation {
}
