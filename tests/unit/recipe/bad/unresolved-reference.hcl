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

locals {
  tre = local.tree
  a   = local.tee
  b   = var.vaullt
  c   = nothing
  d   = os
  e   = os.famly
  f   = release.licence
  g   = local.common[7]
  h   = local.map.bb
  map = { b = 1 }
  i   = data.x.y
}
