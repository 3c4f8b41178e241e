base "loop-b" {
  extends = "loop-a"
  title   = "B"
}
