release "bad" {
}
image "sif" {}
image {}
package "bos" {
  source "git" {
    url = "https://a.example/"
  }
}
os "x" {
}
