# BOSS 7.0.9.p01. It runs on CentOS 7 (j-reher/bossdocker: versions.txt). For 7.0.8 public logs show the stack of 7.0.5
# (lyuyunhe/eta2pipiAlg: eta2pipiAlg-00-00-02/x86_64-slc6-gcc46-opt/setup.make); whether that holds here is not public.

release "boss" "7.0.9.p01" {
  extends = "el7"
  title   = "BOSS ${release.version}"
  date    = var.date
  license = "BESIII collaboration, not for redistribution"
}

# the release before it among those that are kept here
variable "reference" {
  default = "boss-7.0.5"
}

# j-reher/bossdocker: bossdocker-installboss/bossmaker.sh takes the one with the suffix where there is one
variable "cmthome" {
  description = "the folder of the release under cmthome/: cmthome-7.0.9.p01, or with -Slc6Centos7Compat where there is one"
}
