# BOSS 7.0.5, the release whose surroundings are best known: a package that was compiled against it lies in
# yuansicheng/bes3_emc, with what CMT wrote down.

release "boss" "7.0.5" {
  extends = "el6"
  title   = "BOSS ${release.version}"
  date    = var.date
  license = "BESIII collaboration, not for redistribution"
}

# the release before it among those that are kept here
variable "reference" {
  default = "boss-6.6.5.p01"
}

# j-reher/bossdocker: bossdocker-base/Dockerfile has both folders; another script, with an older TestRelease for 7.0.5, took
# that from CVS and not from the release.
locals {
  requirements = "yuansicheng/bes3_emc: code/boss/cmthome/requirements"
  log          = "yuansicheng/bes3_emc: code/boss/workarea/ExtractEmcInfo/ExtractEmcInfo-00-00-01/x86_64-slc6-gcc46-opt/setup.make"
  includes     = "yuansicheng/bes3_emc: code/boss/workarea/Simulation/BOOST/BesSim/BesSim-00-01-24/x86_64-slc6-gcc46-opt/BesPip.d"
  bossdocker   = "j-reher/bossdocker: bossdocker-base/Dockerfile"

  cmthome      = "cmthome-7.0.5-Slc6Centos7Compat"
  test_release = "TestRelease-00-00-92"
  cmtconfig    = "x86_64-slc6-gcc46-opt"
  cmt          = "v1r25"
  lcgcmt       = "65a"
  gaudi        = "v23r9"
}

component "CMTCONFIG" {
  known_from = local.requirements
}

component "gcc" {
  version    = "4.6.3"
  known_from = local.requirements
}

component "CMT" {
  known_from = local.log
}

component "LCGCMT" {
  known_from = local.requirements
}

component "Gaudi" {
  known_from = local.requirements
}

component "Geant4" {
  version    = "4.9.3.p01"
  known_from = local.includes
}

component "BesGDML" {
  version    = "2.8.0"
  part_of    = "ExternalLib"
  known_from = local.includes
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

component "TestRelease" {
  known_from = local.bossdocker
}
