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

validation {
  suite = "data"

  reference "a" {
    title = "neither"
  }

  reference "b" {
    title   = "both"
    release = "bad-0.9"
    results = "data"
  }

  reference "c" {
    title   = "one, the other taken back"
    release = "bad-0.9"
    results = null
  }

  reference "d" {
    title   = "a file"
    results = "data/file"
  }
}
