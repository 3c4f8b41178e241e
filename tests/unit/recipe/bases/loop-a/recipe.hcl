base "loop-a" {
  extends = "loop-b"
  title   = "A"
}
