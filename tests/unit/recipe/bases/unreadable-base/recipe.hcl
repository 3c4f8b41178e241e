base "unreadable-base" {
  title = "B
}
