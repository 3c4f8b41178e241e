base "bad" {
  title   = "Sizes"
  extends = "el"
}

locals {
  disk = "some"
}

image "vm" {
  disk   = "${local.disk} GiB"
  memory = 1024
}
