release "bad" {
}
image "snf" {}
image {}
package "bos" {
  source "git" {
    url = "https://a.example/"
  }
}
os "x" {
}
