release "bad" "1.0" {
  extends = "unreadable-base"
  title   = "Bad"
  date    = "2020-01-01"
  license = "MIT"
}
package "boss" {
  sauce = 1
}
