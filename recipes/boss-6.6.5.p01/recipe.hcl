# BOSS 6.6.5.p01. What it was built with is known from a package that was compiled against it, in
# Lei-Zuohong/BESIII-workarea, with what CMT wrote down; compiler and Geant4 are not in it.

release "boss" "6.6.5.p01" {
  extends = "el6"
  title   = "BOSS ${release.version}"
  date    = var.date
  license = "BESIII collaboration, not for redistribution"
}

# the release before it among those that are kept here
variable "reference" {
  default = "boss-6.6.4.p03"
}

# one script takes 00-00-86 for it, from CVS, another 00-00-81; what is in the release itself is not public
variable "test_release" {
  description = "the version of the package TestRelease in the release; public scripts name TestRelease-00-00-86 and TestRelease-00-00-81"
}

# the cmthome is inferred: a public script that sets up several releases adds -Slc6Centos7Compat to its name
locals {
  log = "Lei-Zuohong/BESIII-workarea: OmegaAlg/OmegaAlg-00-00-01/x86_64-slc6-gcc46-opt/setup.make"

  cmthome   = "cmthome-6.6.5.p01-Slc6Centos7Compat"
  cmtconfig = "x86_64-slc6-gcc46-opt"
  cmt       = "v1r25"
  lcgcmt    = "65a"
  gaudi     = "v23r9"
}

component "CMTCONFIG" {
  known_from = local.log
}

component "CMT" {
  known_from = local.log
}

component "LCGCMT" {
  known_from = local.log
}

component "Gaudi" {
  known_from = local.log
}

component "ROOT" {
  version    = "5.34.09"
  known_from = local.log
}

component "CLHEP" {
  version    = "2.0.4.5"
  known_from = local.log
}

component "Python" {
  version    = "2.7.3"
  known_from = local.log
}

component "Boost" {
  version    = "1.50.0"
  known_from = local.log
}

component "HepMC" {
  version    = "2.06.08"
  known_from = local.log
}

component "HepPDT" {
  version    = "2.06.01"
  known_from = local.log
}

component "XercesC" {
  version    = "3.1.1p1"
  known_from = local.log
}

component "MySQL" {
  version    = "5.5.14"
  known_from = local.log
}

component "sqlite" {
  version    = "3070900"
  known_from = local.log
}

component "CASTOR" {
  version    = "2.1.13-6"
  known_from = local.log
}

component "tcmalloc" {
  version    = "1.7p3"
  known_from = local.log
}

component "GCCXML" {
  version    = "0.9.0_20120309p2"
  known_from = local.log
}

component "xrootd" {
  version    = "3.2.7"
  part_of    = "LCGCMT"
  known_from = local.log
}

component "BesPolicy" {
  version    = "01-05-05"
  known_from = local.log
}
