# What releases of BOSS share: where they stand, what they need in their environment, what they were built with, and how
# they are validated. BOSS is the BESIII collaboration's; nothing of it is here, and nothing of it may be passed on.
#
# A fact stands here or in a release with where it can be read, as OWNER/REPOSITORY: PATH on GitHub. What is not public is
# a variable with an example: `boss-builder check` lists those that must be set before a release is frozen. Where two
# public sources disagree, that is said, and it is a variable too.

base "boss" {
  title = "BOSS, the offline software of BESIII"
}

variable "date" {
  description = "the day on which the release was made; the list of releases is behind the collaboration's login"
  example     = "2000-01-01"
}

variable "cvmfs_root_hash" {
  description = "the root hash of the revision of bes3.ihep.ac.cn to keep (attr -g root_hash /cvmfs/bes3.ihep.ac.cn)"
  example     = "0000000000000000000000000000000000000000"
}

variable "cmthome" {
  description = "the folder of the release under cmthome/, with the scripts that set its environment"
  example     = "cmthome-unconfirmed"
}

variable "test_release" {
  description = "the version of the package TestRelease, which loads the packages of a job"
  example     = "TestRelease-00-00-00"
}

variable "work_area" {
  description = "the user's area, which comes first in CMTPATH"
  default     = "/srv/boss/workarea"
}

variable "database_host" {
  description = "the server of the database offlinedb that is asked when the release is frozen"
  example     = "database.example"
}

variable "database_port" {
  description = "the port that it listens on"
  default     = 3306
}

variable "database_user" {
  description = "who may read it; the password is taken from BOSS_BUILDER_DATABASE_PASSWORD"
  example     = "reader"
}

variable "database_payloads" {
  description = "the tables of offlinedb that hold constants, as a list in JSON"
  example     = ["MdcCalConst"]
}

variable "database_file" {
  description = "the file that DatabaseSvc opens in the folder that DatabaseSvc.SqliteDbPath names"
  example     = "offlinedb.db"
}

variable "disk" {
  description = "the size of the virtual machine's disk; the whole stack, copied, came to 16 GB elsewhere (CERNStudyGroup, issue 20)"
  default     = "64GiB"
}

variable "reference" {
  description = "the release whose stored results this one is compared with"
  example     = "boss-0.0.0"
}

variable "dqa_libraries" {
  description = "the library (ApplicationMgr.DLLs) of each DQA algorithm; public is only how the packages are called"
  example = {
    ee    = "DQASelBhabha"
    mumu  = "DQASelDimu"
    ppbar = "DQAJpsi2PPbarAlg"
    rhopi = "DQARhopiAlg"
    kskpi = "DQAKsKpiDEDXAlg"
  }
}

variable "rhopi_histograms" {
  description = "the histograms that DQARhopi writes, as a list in JSON; only its header is public, which does not name them"
  example     = ["unconfirmed"]
}

variable "cmtconfig" {
  description = "CMTCONFIG: platform and compiler that the release was built for"
  example     = "x86_64-unconfirmed-opt"
}

variable "gcc" {
  description = "the version of gcc"
  example     = "unconfirmed"
}

variable "cmt" {
  description = "the version of CMT"
  example     = "unconfirmed"
}

variable "lcgcmt" {
  description = "LCGCMTVERS: the version of LCGCMT, without LCGCMT_"
  example     = "unconfirmed"
}

variable "gaudi" {
  description = "the version of Gaudi, without GAUDI_"
  example     = "unconfirmed"
}

variable "geant4" {
  description = "the version of Geant4"
  example     = "unconfirmed"
}

variable "root" {
  description = "the version of ROOT"
  example     = "unconfirmed"
}

variable "clhep" {
  description = "the version of CLHEP"
  example     = "unconfirmed"
}

variable "python" {
  description = "the version of Python"
  example     = "unconfirmed"
}

variable "boost" {
  description = "the version of Boost"
  example     = "unconfirmed"
}

variable "hepmc" {
  description = "the version of HepMC"
  example     = "unconfirmed"
}

variable "heppdt" {
  description = "the version of HepPDT"
  example     = "unconfirmed"
}

variable "xercesc" {
  description = "the version of XercesC"
  example     = "unconfirmed"
}

variable "mysql" {
  description = "the version of MySQL's client"
  example     = "unconfirmed"
}

variable "sqlite" {
  description = "the version of sqlite"
  example     = "unconfirmed"
}

variable "castor" {
  description = "the version of CASTOR's client"
  example     = "unconfirmed"
}

variable "tcmalloc" {
  description = "the version of tcmalloc"
  example     = "unconfirmed"
}

variable "gccxml" {
  description = "the version of GCCXML"
  example     = "unconfirmed"
}

variable "bespolicy" {
  description = "the version of the package BesPolicy, without BesPolicy-"
  example     = "unconfirmed"
}

# A release that knows a fact says it by the same name.
locals {
  unknown = "not public"

  cmthome      = var.cmthome
  test_release = var.test_release
  cmtconfig    = var.cmtconfig
  cmt          = var.cmt
  lcgcmt       = var.lcgcmt
  gaudi        = var.gaudi
}

# Binaries carry the paths they were built for, so a copy stands at its old place. The layout is that of
# yuansicheng/bes3_emc: code/boss/cmthome/requirements, for 7.0.5.
locals {
  site      = "/cvmfs/bes3.ihep.ac.cn/bes3sw"
  area      = "${local.site}/Boss/${release.version}"
  externals = "${local.site}/ExternalLib/SLC6/ExternalLib"
  contrib   = "${local.site}/ExternalLib/SLC6/contrib"
  database  = "${local.site}/database/${release.version}"
}

external_library "ExternalLib" {
  version = "SLC6"

  source "cvmfs" {
    repository = "bes3.ihep.ac.cn"
    path       = "${local.site}/ExternalLib/SLC6"
    root_hash  = var.cvmfs_root_hash
  }
}

external_library "cmthome" {
  version = release.version

  source "cvmfs" {
    repository = "bes3.ihep.ac.cn"
    path       = "${local.site}/cmthome/${local.cmthome}"
    root_hash  = var.cvmfs_root_hash
  }
}

# Where programs and libraries stand below the release: besdiracgrid/GangaBoss: tutorial/rhopi/sim_rec_ana_dirac_by_run.py
# names InstallArea/x86_64-slc5-gcc43-opt/lib. The rest of a job's environment is set by the release's own scripts, in the
# order of redeboer/bossdoc: docs/tutorials/getting-started/setup.md (see puppet/site.pp).
package "boss" {
  source "cvmfs" {
    repository = "bes3.ihep.ac.cn"
    path       = local.area
    root_hash  = var.cvmfs_root_hash
  }

  environment = {
    SITEROOT       = local.site
    DEVROOT        = "${local.site}/ExternalLib/SLC6"
    EXTERNALLIBDIR = local.externals
    CONTRIBDIR     = local.contrib
    CMTCONFIG      = local.cmtconfig
    CMTROOT        = "${local.contrib}/CMT/${local.cmt}"
    LCGCMTVERS     = local.lcgcmt
    GAUDI_RELEASE  = "GAUDI_${local.gaudi}"
    BES_RELEASE    = release.version
    BesArea        = local.area
    WorkArea       = var.work_area
    CMTPATH        = "${var.work_area}:${local.area}:${local.externals}/gaudi/GAUDI_${local.gaudi}:${local.externals}/LCGCMT/LCGCMT_${local.lcgcmt}"
    MALLOC_CHECK_  = "0"
    PATH           = "${local.area}/InstallArea/${local.cmtconfig}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

    # of this recipe: what its scripts and its validation go by
    BOSS_CMTHOME      = "${local.site}/cmthome/${local.cmthome}"
    BOSS_TEST_RELEASE = "${local.area}/TestRelease/${local.test_release}"
    BOSS_DATABASE     = local.database
  }
}

component "CMTCONFIG" {
  version    = local.cmtconfig
  known_from = local.unknown
}

component "gcc" {
  version    = var.gcc
  part_of    = "contrib"
  known_from = local.unknown
}

component "CMT" {
  version    = local.cmt
  part_of    = "contrib"
  known_from = local.unknown
}

component "LCGCMT" {
  version    = local.lcgcmt
  part_of    = "ExternalLib"
  known_from = local.unknown
}

component "Gaudi" {
  version    = local.gaudi
  part_of    = "ExternalLib"
  known_from = local.unknown
}

component "Geant4" {
  version    = var.geant4
  part_of    = "ExternalLib"
  known_from = local.unknown
}

component "ROOT" {
  version    = var.root
  part_of    = "LCGCMT"
  known_from = local.unknown
}

component "CLHEP" {
  version    = var.clhep
  part_of    = "LCGCMT"
  known_from = local.unknown
}

component "Python" {
  version    = var.python
  part_of    = "LCGCMT"
  known_from = local.unknown
}

component "Boost" {
  version    = var.boost
  part_of    = "LCGCMT"
  known_from = local.unknown
}

component "HepMC" {
  version    = var.hepmc
  part_of    = "LCGCMT"
  known_from = local.unknown
}

component "HepPDT" {
  version    = var.heppdt
  part_of    = "LCGCMT"
  known_from = local.unknown
}

component "XercesC" {
  version    = var.xercesc
  part_of    = "LCGCMT"
  known_from = local.unknown
}

component "MySQL" {
  version    = var.mysql
  part_of    = "LCGCMT"
  known_from = local.unknown
}

component "sqlite" {
  version    = var.sqlite
  part_of    = "LCGCMT"
  known_from = local.unknown
}

component "CASTOR" {
  version    = var.castor
  part_of    = "LCGCMT"
  known_from = local.unknown
}

component "tcmalloc" {
  version    = var.tcmalloc
  part_of    = "LCGCMT"
  known_from = local.unknown
}

component "GCCXML" {
  version    = var.gccxml
  part_of    = "LCGCMT"
  known_from = local.unknown
}

component "BesPolicy" {
  version    = var.bespolicy
  part_of    = "BOSS"
  known_from = local.unknown
}

component "TestRelease" {
  version    = local.test_release
  part_of    = "BOSS"
  known_from = local.unknown
}

# CalVtxLumVer says which constants belong to which runs. DatabaseSvc reads sqlite with DatabaseSvc.DbType = "sqlite" and
# DatabaseSvc.SqliteDbPath, a folder: besdiracgrid/IHEPDIRAC: ResourceStatusSystem/SAM/sam_script/boss_test.py.
bookkeeping {
  source "mariadb" {
    host     = var.database_host
    port     = var.database_port
    user     = var.database_user
    database = "offlinedb"
    payloads = var.database_payloads
  }

  install_to = "${local.database}/${var.database_file}"
}

puppet {
  manifest = "puppet/site.pp"
}

image "oci" {}

image "sif" {}

image "vm" {
  disk     = var.disk
  memory   = "4GiB"
  packages = ["kernel"]
}

# Five channels, as the collaboration compares releases by them. Their histograms are those of BOSS's own DQA algorithms;
# numbers of events, tests and tolerances are this project's choice, since the collaboration's are not public. There is no
# observable for the tracking efficiency: which program counts it is not public either.
validation {
  suite      = "validation"
  time_limit = 3600

  reference "previous" {
    title   = "the release before"
    release = var.reference
  }

  sample "ee" {
    channel         = "J/psi -> e+ e-"
    job_options     = ["jobs/ee/jobOptions_sim.txt", "jobs/jobOptions_rec.txt", "jobs/jobOptions_ana.txt"]
    files           = ["jobs/job.sh", "jobs/to_uhi.py", "jobs/ee/ee.dec"]
    command         = ["/bin/bash", "job.sh", var.dqa_libraries.ee, "DQASelBhabha", "ee.json"]
    result          = "ee.json"
    events          = 5000
    emulated_events = 50
    seed            = 4242
    time_limit      = 43200
  }

  sample "mumu" {
    channel         = "J/psi -> mu+ mu-"
    job_options     = ["jobs/mumu/jobOptions_sim.txt", "jobs/jobOptions_rec.txt", "jobs/jobOptions_ana.txt"]
    files           = ["jobs/job.sh", "jobs/to_uhi.py", "jobs/mumu/mumu.dec"]
    command         = ["/bin/bash", "job.sh", var.dqa_libraries.mumu, "DQASelDimu", "mumu.json"]
    result          = "mumu.json"
    events          = 5000
    emulated_events = 50
    seed            = 4242
    time_limit      = 43200
  }

  sample "ppbar" {
    channel         = "J/psi -> p p-bar"
    job_options     = ["jobs/ppbar/jobOptions_sim.txt", "jobs/jobOptions_rec.txt", "jobs/jobOptions_ana.txt"]
    files           = ["jobs/job.sh", "jobs/to_uhi.py", "jobs/ppbar/ppbar.dec"]
    command         = ["/bin/bash", "job.sh", var.dqa_libraries.ppbar, "DQAJpsi2PPbarAlg", "ppbar.json"]
    result          = "ppbar.json"
    events          = 5000
    emulated_events = 50
    seed            = 4242
    time_limit      = 43200
  }

  # the decay card is TestRelease's own: besdiracgrid/IHEPDIRAC: ResourceStatusSystem/SAM/sam_script/boss_test.py
  sample "rhopi" {
    channel         = "J/psi -> rho pi"
    job_options     = ["jobs/rhopi/jobOptions_sim.txt", "jobs/jobOptions_rec.txt", "jobs/jobOptions_ana.txt"]
    files           = ["jobs/job.sh", "jobs/to_uhi.py"]
    command         = ["/bin/bash", "job.sh", var.dqa_libraries.rhopi, "DQARhopi", "rhopi.json"]
    result          = "rhopi.json"
    events          = 5000
    emulated_events = 50
    seed            = 4242
    time_limit      = 43200
  }

  sample "kskpi" {
    channel         = "J/psi -> K_S K pi"
    job_options     = ["jobs/kskpi/jobOptions_sim.txt", "jobs/jobOptions_rec.txt", "jobs/jobOptions_ana.txt"]
    files           = ["jobs/job.sh", "jobs/to_uhi.py", "jobs/kskpi/kskpi.dec"]
    command         = ["/bin/bash", "job.sh", var.dqa_libraries.kskpi, "DQAKsKpiDEDX", "kskpi.json"]
    result          = "kskpi.json"
    events          = 5000
    emulated_events = 50
    seed            = 4242
    time_limit      = 43200
  }

  # redeboer/BOSS_ExternalLibs: BOSS/DQASelBhabha/DQASelBhabha.cxx
  observable "ee-spectra" {
    samples    = ["ee"]
    histograms = ["ee_mass", "ee_acoll", "ee_eop_ep", "ee_eop_em", "ee_eemc_ep", "ee_eemc_em", "ee_p_ep", "ee_p_em", "ee_z_ep", "ee_z_em"]
    reference  = "previous"
    test       = "ks"
    tolerance  = 0.03
  }

  observable "ee-angles" {
    samples    = ["ee"]
    histograms = ["ee_costheta_ep", "ee_costheta_em", "ee_phi_ep", "ee_phi_em"]
    reference  = "previous"
    test       = "chi2"
    tolerance  = 0.05
  }

  # redeboer/BOSS_ExternalLibs: BOSS/DQASelDimu/DQASelDimu.cxx
  observable "mumu-spectra" {
    samples    = ["mumu"]
    histograms = ["mumu_mass", "mumu_acoll", "mumu_eemc_mup", "mumu_eemc_mum", "mumu_p_mup", "mumu_p_mum", "mumu_z_mup", "mumu_z_mum"]
    reference  = "previous"
    test       = "ks"
    tolerance  = 0.03
  }

  observable "mumu-angles" {
    samples    = ["mumu"]
    histograms = ["mumu_costheta_mup", "mumu_costheta_mum", "mumu_phi_mup", "mumu_phi_mum"]
    reference  = "previous"
    test       = "chi2"
    tolerance  = 0.05
  }

  # redeboer/BOSS_ExternalLibs: BOSS/DQAJpsi2PPbarAlg/DQAJpsi2PPbarAlg.cxx
  observable "ppbar-spectra" {
    samples    = ["ppbar"]
    histograms = ["bst_p", "mpp", "angle", "deltatof", "e_emc1", "e_emc2"]
    reference  = "previous"
    test       = "ks"
    tolerance  = 0.03
  }

  observable "ppbar-angles" {
    samples    = ["ppbar"]
    histograms = ["bst_cos"]
    reference  = "previous"
    test       = "chi2"
    tolerance  = 0.05
  }

  # redeboer/BOSS_ExternalLibs: BOSS/DQARhopiAlg/DQARhopi.h
  observable "rhopi" {
    samples    = ["rhopi"]
    histograms = var.rhopi_histograms
    reference  = "previous"
    test       = "ks"
    tolerance  = 0.03
  }

  # redeboer/BOSS_ExternalLibs: BOSS/DQAKsKpiDEDXAlg/DQAKsKpiDEDX.cxx
  observable "kskpi-spectra" {
    samples    = ["kskpi"]
    histograms = ["ks_dl", "ks_m", "ks_p"]
    reference  = "previous"
    test       = "ks"
    tolerance  = 0.03
  }

  observable "kskpi-masses" {
    samples    = ["kskpi"]
    histograms = ["kspi_m", "kpi_m"]
    reference  = "previous"
    test       = "chi2"
    tolerance  = 0.05
  }
}
