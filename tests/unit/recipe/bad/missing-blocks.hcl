release "bad" "1.0" {
  title   = "Bad"
  date    = "2020-01-01"
  license = "MIT"
}
