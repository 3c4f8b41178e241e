# The second open example release: a toy in place of BOSS. Its tracking code differs from 1.0.0's, with which it is
# compared, as the collaboration compared the tracking of 6.6.5 with that of 6.6.4.

release "miniboss" "1.1.0" {
  extends = "miniboss"
  title   = "miniboss 1.1.0"
  date    = "2020-09-01"
  license = "MIT"
}

document "release-notes" {
  title = "Release notes of miniboss 1.1.0"
  file  = "documents/release-notes.md"
}

validation {
  reference "data" {
    title         = "pseudo-data"
    results       = "pseudo-data"
    stands_in_for = "data of BESIII; it comes from the toy itself, with another seed and other constants"
  }

  reference "previous" {
    title   = "miniboss 1.0.0"
    release = "miniboss-1.0.0"
  }

  # it finds 1.5% more tracks, as it should
  observable "tracking-efficiency-of-the-previous-release" {
    samples    = ["ee", "mumu", "ppbar", "rhopi", "kskpi"]
    histograms = ["trk_eff_pt", "trk_eff_cos"]
    reference  = "previous"
    test       = "binomial-ratio"
    tolerance  = 0.03
  }
}
