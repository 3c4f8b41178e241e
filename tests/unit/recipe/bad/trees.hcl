release "bad" "1.0" {
  extends = "el"
  title   = "Bad"
  date    = "2020-01-01"
  license = "MIT"
}
package "boss" {
  install_to = "/opt/boss"
  source "cvmfs" {
    repository = "bes3.ihep.ac.cn"
    path       = "/cvmfs/other.ihep.ac.cn/boss"
  }
}
external_library "a" {
  version = "1"
  source "git" {
    url    = "https://git.example/a.git"
    commit = "main"
    path   = "../a"
  }
}
external_library "b" {
  version = "1"
  source "cvmfs" {
    repository = "bes3.ihep.ac.cn"
    path       = "/opt/b"
    root_hash  = "0123"
  }
}
external_library "c" {
  version    = "1"
  install_to = "/c"
  source "git" {
    url    = "git@git.example:c.git"
    commit = "0123456789abcdef0123456789abcdef01234567"
  }
}
