# BOSS 6.6.4.p03, of the time when BOSS stood in AFS. A package that was compiled against it lies in xiaosy1/jpsi2invi, with
# what CMT wrote down.

release "boss" "6.6.4.p03" {
  extends = "el5"
  title   = "BOSS ${release.version}"
  date    = var.date
  license = "BESIII collaboration, not for redistribution"
}

variable "boss_archive" {
  description = "a tar of the folder Boss/6.6.4.p03 of /afs/ihep.ac.cn/bes3/offline"
  example     = "https://archive.example/boss/Boss-6.6.4.p03.tar"
}

variable "boss_sha256" {
  description = "its digest, as sha256sum prints it"
  example     = "0000000000000000000000000000000000000000000000000000000000000000"
}

variable "externals_archive" {
  description = "a tar of the folder ExternalLib of /afs/ihep.ac.cn/bes3/offline"
  example     = "https://archive.example/boss/ExternalLib-slc5.tar"
}

variable "externals_sha256" {
  description = "its digest, as sha256sum prints it"
  example     = "0000000000000000000000000000000000000000000000000000000000000000"
}

variable "cmthome_archive" {
  description = "a tar of the release's cmthome"
  example     = "https://archive.example/boss/cmthome-6.6.4.p03.tar"
}

variable "cmthome_sha256" {
  description = "its digest, as sha256sum prints it"
  example     = "0000000000000000000000000000000000000000000000000000000000000000"
}

# The layout is that of xiaosy1/jpsi2invi: besenv/requirements, which has no DEVROOT, EXTERNALLIBDIR or CONTRIBDIR. Where the
# cmthome stood is from redeboer/BOSS_Gitbook: boss/load_boss.sh, for a later release.
locals {
  requirements = "xiaosy1/jpsi2invi: besenv/requirements"
  log          = "xiaosy1/jpsi2invi: Analysis/Physics/PsiPrime/Jpsi2pnpi/Jpsi2pnpi-00-00-01/x86_64-slc5-gcc43-opt/Jpsi2pnpisetup.make"
  unix         = "xiaosy1/jpsi2invi: besenv/setup.sh"

  site      = "/afs/ihep.ac.cn/bes3/offline"
  externals = "${local.site}/ExternalLib"
  contrib   = "${local.externals}/contrib"

  cmthome      = "cmthome-6.6.4.p03"
  test_release = "TestRelease-00-00-80"
  cmtconfig    = "x86_64-slc5-gcc43-opt"
  cmt          = "v1r20p20081118"
  lcgcmt       = "57a_clhep2.0.4.5"
  gaudi        = "v21r6"
}

external_library "ExternalLib" {
  version = "slc5"

  source "tarball" {
    url              = var.externals_archive
    sha256           = var.externals_sha256
    strip_components = 1
  }

  install_to = local.externals
}

external_library "cmthome" {
  source "tarball" {
    url              = var.cmthome_archive
    sha256           = var.cmthome_sha256
    strip_components = 1
  }

  install_to = "${local.site}/Boss/cmthome/${local.cmthome}"
}

package "boss" {
  source "tarball" {
    url              = var.boss_archive
    sha256           = var.boss_sha256
    strip_components = 1
  }

  install_to = local.area

  environment = {
    SITEROOT      = local.site
    CMTCONFIG     = local.cmtconfig
    CMTROOT       = "${local.contrib}/CMT/${local.cmt}"
    LCGCMTVERS    = local.lcgcmt
    GAUDI_RELEASE = "GAUDI_${local.gaudi}"
    BES_RELEASE   = release.version
    BesArea       = local.area
    WorkArea      = var.work_area
    CMTPATH       = "${var.work_area}:${local.area}:${local.externals}/Gaudi/GAUDI_${local.gaudi}/x86_64-slc5-gcc43-clhep2.0.4.5:${local.externals}/lcg/app/releases/LCGCMT/LCGCMT_${local.lcgcmt}"
    MALLOC_CHECK_ = "0"
    PATH          = "${local.area}/InstallArea/${local.cmtconfig}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

    BOSS_CMTHOME      = "${local.site}/Boss/cmthome/${local.cmthome}"
    BOSS_TEST_RELEASE = "${local.area}/TestRelease/${local.test_release}"
    BOSS_DATABASE     = local.database
  }
}

component "CMTCONFIG" {
  known_from = local.requirements
}

component "gcc" {
  version    = "4.3.2"
  known_from = local.requirements
}

component "CMT" {
  known_from = local.unix
}

component "LCGCMT" {
  known_from = local.requirements
}

component "Gaudi" {
  known_from = local.requirements
}

component "Geant4" {
  version    = "4.9.3.p01"
  known_from = "xiaosy1/jpsi2invi: Analysis/Physics/PsiPrime/Jpsi2pnpi"
}

component "ROOT" {
  version    = "5.24.00b"
  known_from = local.log
}

component "CLHEP" {
  version    = "2.0.4.5"
  known_from = local.log
}

component "Python" {
  version    = "2.5.4p2"
  known_from = local.log
}

component "Boost" {
  version    = "1.39.0"
  known_from = local.log
}

component "HepMC" {
  version    = "2.03.11"
  known_from = local.log
}

component "HepPDT" {
  version    = "2.05.04"
  known_from = local.log
}

component "XercesC" {
  version    = "2.8.0"
  known_from = local.log
}

component "MySQL" {
  version    = "5.0.18"
  known_from = local.log
}

component "sqlite" {
  version    = "3.6.8"
  known_from = local.log
}

component "CASTOR" {
  version    = "2.1.8-10"
  known_from = local.log
}

component "tcmalloc" {
  version    = "1.4"
  known_from = local.log
}

component "GCCXML" {
  version    = "0.9.0_20090601"
  known_from = local.log
}

component "BesGDML" {
  version    = "2.8.0"
  part_of    = "ExternalLib"
  known_from = local.log
}

component "BesPolicy" {
  version    = "01-05-03"
  known_from = local.log
}

component "TestRelease" {
  known_from = "zhixing1996/DDPIPI: TestRelease/TestRelease-00-00-80/cmt/setup.csh, for 6.6.4.p01"
}
