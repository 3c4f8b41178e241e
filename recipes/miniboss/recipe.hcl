# What the example releases share. They are toys in place of BOSS, so that every step can be shown without the
# collaboration's software: libraries, the package, its calibration constants, and how it is validated.

base "miniboss" {
  extends = "tinyel-1"
  title   = "miniboss, a toy in place of BOSS"
}

locals {
  boss      = "/opt/miniboss/${release.version}"
  externals = "/opt/miniboss/external"
}

external_library "particletable" {
  version = "1.0.0"

  source "tarball" {
    url              = "${var.upstream}/sources/particletable-1.0.0.tar"
    sha256           = "74858c216a32c000a05838a3b245bbbce1d2deb428bf06e0606c79e84f3af8f4"
    strip_components = 1
  }

  install_to  = "${local.externals}/particletable/1.0.0"
  environment = { PARTICLETABLE_ROOT = "${local.externals}/particletable/1.0.0" }
}

external_library "detector-geometry" {
  version = "1.0"

  source "directory" {
    path = "libraries/detector-geometry"
  }

  install_to  = "${local.externals}/detector-geometry/1.0"
  environment = { DETECTOR_GEOMETRY_ROOT = "${local.externals}/detector-geometry/1.0" }
}

package "boss" {
  stands_in_for = "BOSS, the offline software of BESIII; it is a toy"

  source "rpm_repository" {
    url           = "${var.upstream}/miniboss/x86_64/"
    packages      = ["miniboss-${release.version}"]
    gpg_keys      = ["${var.upstream}/miniboss/x86_64/RPM-GPG-KEY-miniboss"]
    gpgcheck      = true
    repo_gpgcheck = true
  }

  environment = {
    BES_RELEASE   = release.version
    BesArea       = local.boss
    BOSS_DATABASE = "${local.boss}/database/offlinedb.db"
    PATH          = "${local.boss}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    PYTHONPATH    = "${local.externals}/particletable/1.0.0"
  }
}

bookkeeping {
  source "csv" {
    table    = "bookkeeping/CalVtxLumVer.csv"
    payloads = "bookkeeping/payloads"
  }

  install_to = "${local.boss}/database/offlinedb.db"
}

validation {
  suite                  = "validation"
  time_limit             = 120
  family_wise_error_rate = 0.01

  sample "ee" {
    channel         = "J/psi -> e+ e-"
    job_options     = ["jobs/ee/jobOptions_sim.txt", "jobs/ee/jobOptions_rec.txt", "jobs/ee/jobOptions_ana.txt"]
    result          = "ee.json"
    events          = 20000
    emulated_events = 1000
    seed            = 4242
  }

  sample "mumu" {
    channel         = "J/psi -> mu+ mu-"
    job_options     = ["jobs/mumu/jobOptions_sim.txt", "jobs/mumu/jobOptions_rec.txt", "jobs/mumu/jobOptions_ana.txt"]
    result          = "mumu.json"
    events          = 20000
    emulated_events = 1000
    seed            = 4242
  }

  sample "ppbar" {
    channel         = "J/psi -> p p-bar"
    job_options     = ["jobs/ppbar/jobOptions_sim.txt", "jobs/ppbar/jobOptions_rec.txt", "jobs/ppbar/jobOptions_ana.txt"]
    result          = "ppbar.json"
    events          = 20000
    emulated_events = 1000
    seed            = 4242
  }

  sample "rhopi" {
    channel         = "J/psi -> rho pi"
    job_options     = ["jobs/rhopi/jobOptions_sim.txt", "jobs/rhopi/jobOptions_rec.txt", "jobs/rhopi/jobOptions_ana.txt"]
    result          = "rhopi.json"
    events          = 20000
    emulated_events = 1000
    seed            = 4242
  }

  sample "kskpi" {
    channel         = "J/psi -> K_S K pi"
    job_options     = ["jobs/kskpi/jobOptions_sim.txt", "jobs/kskpi/jobOptions_rec.txt", "jobs/kskpi/jobOptions_ana.txt"]
    result          = "kskpi.json"
    events          = 20000
    emulated_events = 1000
    seed            = 4242
  }

  observable "tracking-efficiency" {
    samples    = ["ee", "mumu", "ppbar", "rhopi", "kskpi"]
    histograms = ["trk_eff_pt", "trk_eff_cos"]
    reference  = "data"
    test       = "binomial-ratio"
    tolerance  = 0.01
  }

  observable "momentum-resolution" {
    samples    = ["ee", "mumu", "ppbar"]
    histograms = ["dp_over_p"]
    reference  = "data"
    test       = "ks"
    tolerance  = 0.03
  }

  observable "ee-spectra" {
    samples    = ["ee"]
    histograms = ["mass", "e_over_p", "acollinearity"]
    reference  = "data"
    test       = "ks"
    tolerance  = 0.03
  }

  observable "ee-angles" {
    samples    = ["ee"]
    histograms = ["cos_positive"]
    reference  = "data"
    test       = "chi2"
    tolerance  = 0.05
  }

  observable "mumu-spectra" {
    samples    = ["mumu"]
    histograms = ["mass", "p"]
    reference  = "data"
    test       = "ks"
    tolerance  = 0.03
  }

  observable "mumu-angles" {
    samples    = ["mumu"]
    histograms = ["cos_positive"]
    reference  = "data"
    test       = "chi2"
    tolerance  = 0.05
  }

  observable "ppbar-spectra" {
    samples    = ["ppbar"]
    histograms = ["bst_p", "mpp", "deltatof"]
    reference  = "data"
    test       = "ks"
    tolerance  = 0.03
  }

  observable "ppbar-angles" {
    samples    = ["ppbar"]
    histograms = ["bst_cos"]
    reference  = "data"
    test       = "chi2"
    tolerance  = 0.05
  }

  observable "rhopi-spectra" {
    samples    = ["rhopi"]
    histograms = ["m_gg", "chi2_4c"]
    reference  = "data"
    test       = "ks"
    tolerance  = 0.03
  }

  observable "rhopi-masses" {
    samples    = ["rhopi"]
    histograms = ["m_pippim", "m_pippi0", "cos_normal"]
    reference  = "data"
    test       = "chi2"
    tolerance  = 0.05
  }

  observable "kskpi-spectra" {
    samples    = ["kskpi"]
    histograms = ["ks_m", "ks_dl", "chi2_4c"]
    reference  = "data"
    test       = "ks"
    tolerance  = 0.03
  }

  observable "kskpi-masses" {
    samples    = ["kskpi"]
    histograms = ["kspi_m", "kpi_m"]
    reference  = "data"
    test       = "chi2"
    tolerance  = 0.05
  }
}
