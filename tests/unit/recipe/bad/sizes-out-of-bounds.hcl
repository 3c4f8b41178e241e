base "bad" {
  title   = "Sizes"
  extends = "el"
}

image "vm" {
  disk   = "63MiB"
  memory = "2TiB"
}
