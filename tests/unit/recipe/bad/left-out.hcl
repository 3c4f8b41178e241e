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
  a = [for x in local.common : x]
  b = local.common[*].x
  c = local.common.*.x
  d = "%{ if true }x%{ endif }"
  e = 1 + 2
  f = !true
  g = true && false
  h = file("/etc/passwd")
  i = uper("a")
  j = join("-")
  k = join("-", "a")
  l = split("", "a")
  m = concat(local.common...)
  n = "a\qb"
  o = "${local.common}"
  p = "x${local.common}"
  q = 1 ? 2 : 3
  r = <<-EOF
    ${ 1 + }
    %{ if x }
  EOF
  s = 1 < 2
}
