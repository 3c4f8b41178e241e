base "broken-base" {
  extends = "el"
  titel   = "B"
}

os {
  packages = []
}
