# The first open example release: a toy in place of BOSS. What it shares with its successors is said in `miniboss`.

release "miniboss" "1.0.0" {
  extends = "miniboss"
  title   = "miniboss 1.0.0"
  date    = "2020-03-01"
  license = "MIT"
}

document "release-notes" {
  title = "Release notes of miniboss 1.0.0"
  file  = "documents/release-notes.md"
}

validation {
  reference "data" {
    title         = "pseudo-data"
    results       = "pseudo-data"
    stands_in_for = "data of BESIII; it comes from the toy itself, with another seed and other constants"
  }
}
