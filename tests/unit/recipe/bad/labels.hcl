release "bad" {
}
image "snf" {}
image {}
package "bos" {
  source "svn" {
    url = "https://a.example/"
  }
}
os "x" {
}
