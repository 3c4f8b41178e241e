# BOSS 7.1.0. It runs on CentOS 7 (j-reher/bossdocker: versions.txt); what it was built with is not public.

release "boss" "7.1.0" {
  extends = "el7"
  title   = "BOSS ${release.version}"
  date    = var.date
  license = "BESIII collaboration, not for redistribution"
}

# the release before it among those that are kept here
variable "reference" {
  default = "boss-7.0.9.p01"
}

# j-reher/bossdocker: bossdocker-installboss/bossmaker.sh takes the one with the suffix where there is one
variable "cmthome" {
  description = "the folder of the release under cmthome/: cmthome-7.1.0, or with -Slc6Centos7Compat where there is one"
}
