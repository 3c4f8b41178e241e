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

  observable "ee-mass" {
    title     = "m(e+ e-)"
    sample    = "ee"
    histogram = "mass"
    reference = "data"
    test      = "ks"
    tolerance = 0.03
  }

  observable "ee-e_over_p" {
    title     = "E/p"
    sample    = "ee"
    histogram = "e_over_p"
    reference = "data"
    test      = "ks"
    tolerance = 0.03
  }

  observable "ee-cos" {
    title     = "cos theta of the positron"
    sample    = "ee"
    histogram = "cos_positive"
    reference = "data"
    test      = "chi2"
    tolerance = 0.05
  }

  observable "ee-acollinearity" {
    title     = "acollinearity"
    sample    = "ee"
    histogram = "acollinearity"
    reference = "data"
    test      = "ks"
    tolerance = 0.03
  }

  observable "ee-trk_eff_pt" {
    title     = "tracking efficiency against p_T"
    sample    = "ee"
    histogram = "trk_eff_pt"
    reference = "data"
    test      = "binomial-ratio"
    tolerance = 0.01
  }

  observable "ee-trk_eff_cos" {
    title     = "tracking efficiency against cos theta"
    sample    = "ee"
    histogram = "trk_eff_cos"
    reference = "data"
    test      = "binomial-ratio"
    tolerance = 0.01
  }

  observable "mumu-mass" {
    title     = "m(mu+ mu-)"
    sample    = "mumu"
    histogram = "mass"
    reference = "data"
    test      = "ks"
    tolerance = 0.03
  }

  observable "mumu-cos" {
    title     = "cos theta of the mu+"
    sample    = "mumu"
    histogram = "cos_positive"
    reference = "data"
    test      = "chi2"
    tolerance = 0.05
  }

  observable "mumu-p" {
    title     = "momentum"
    sample    = "mumu"
    histogram = "p"
    reference = "data"
    test      = "ks"
    tolerance = 0.03
  }

  observable "mumu-trk_eff_pt" {
    title     = "tracking efficiency against p_T"
    sample    = "mumu"
    histogram = "trk_eff_pt"
    reference = "data"
    test      = "binomial-ratio"
    tolerance = 0.01
  }

  observable "mumu-trk_eff_cos" {
    title     = "tracking efficiency against cos theta"
    sample    = "mumu"
    histogram = "trk_eff_cos"
    reference = "data"
    test      = "binomial-ratio"
    tolerance = 0.01
  }

  observable "ppbar-bst_p" {
    title     = "momentum in the J/psi frame"
    sample    = "ppbar"
    histogram = "bst_p"
    reference = "data"
    test      = "ks"
    tolerance = 0.03
  }

  observable "ppbar-bst_cos" {
    title     = "cos theta in the J/psi frame"
    sample    = "ppbar"
    histogram = "bst_cos"
    reference = "data"
    test      = "chi2"
    tolerance = 0.05
  }

  observable "ppbar-mpp" {
    title     = "m(p p-bar)"
    sample    = "ppbar"
    histogram = "mpp"
    reference = "data"
    test      = "ks"
    tolerance = 0.03
  }

  observable "ppbar-deltatof" {
    title     = "difference of flight times"
    sample    = "ppbar"
    histogram = "deltatof"
    reference = "data"
    test      = "ks"
    tolerance = 0.05
  }

  observable "ppbar-trk_eff_pt" {
    title     = "tracking efficiency against p_T"
    sample    = "ppbar"
    histogram = "trk_eff_pt"
    reference = "data"
    test      = "binomial-ratio"
    tolerance = 0.01
  }

  observable "ppbar-trk_eff_cos" {
    title     = "tracking efficiency against cos theta"
    sample    = "ppbar"
    histogram = "trk_eff_cos"
    reference = "data"
    test      = "binomial-ratio"
    tolerance = 0.01
  }

  observable "rhopi-m_pippim" {
    title     = "m(pi+ pi-)"
    sample    = "rhopi"
    histogram = "m_pippim"
    reference = "data"
    test      = "chi2"
    tolerance = 0.05
  }

  observable "rhopi-m_pippi0" {
    title     = "m(pi+ pi0)"
    sample    = "rhopi"
    histogram = "m_pippi0"
    reference = "data"
    test      = "chi2"
    tolerance = 0.05
  }

  observable "rhopi-m_gg" {
    title     = "m(gamma gamma)"
    sample    = "rhopi"
    histogram = "m_gg"
    reference = "data"
    test      = "ks"
    tolerance = 0.03
  }

  observable "rhopi-cos_normal" {
    title     = "cos theta of the decay plane's normal"
    sample    = "rhopi"
    histogram = "cos_normal"
    reference = "data"
    test      = "chi2"
    tolerance = 0.05
  }

  observable "rhopi-chi2_4c" {
    title     = "chi2 of the 4C fit"
    sample    = "rhopi"
    histogram = "chi2_4c"
    reference = "data"
    test      = "ks"
    tolerance = 0.05
  }

  observable "rhopi-trk_eff_pt" {
    title     = "tracking efficiency against p_T"
    sample    = "rhopi"
    histogram = "trk_eff_pt"
    reference = "data"
    test      = "binomial-ratio"
    tolerance = 0.01
  }

  observable "rhopi-trk_eff_cos" {
    title     = "tracking efficiency against cos theta"
    sample    = "rhopi"
    histogram = "trk_eff_cos"
    reference = "data"
    test      = "binomial-ratio"
    tolerance = 0.01
  }

  observable "kskpi-ks_m" {
    title     = "m(pi+ pi-) of the K_S"
    sample    = "kskpi"
    histogram = "ks_m"
    reference = "data"
    test      = "ks"
    tolerance = 0.03
  }

  observable "kskpi-ks_dl" {
    title     = "decay length of the K_S"
    sample    = "kskpi"
    histogram = "ks_dl"
    reference = "data"
    test      = "ks"
    tolerance = 0.03
  }

  observable "kskpi-kspi_m" {
    title     = "m(K_S pi)"
    sample    = "kskpi"
    histogram = "kspi_m"
    reference = "data"
    test      = "chi2"
    tolerance = 0.05
  }

  observable "kskpi-kpi_m" {
    title     = "m(K pi)"
    sample    = "kskpi"
    histogram = "kpi_m"
    reference = "data"
    test      = "chi2"
    tolerance = 0.05
  }

  observable "kskpi-chi2_4c" {
    title     = "chi2 of the 4C fit"
    sample    = "kskpi"
    histogram = "chi2_4c"
    reference = "data"
    test      = "ks"
    tolerance = 0.05
  }

  observable "kskpi-trk_eff_pt" {
    title     = "tracking efficiency against p_T"
    sample    = "kskpi"
    histogram = "trk_eff_pt"
    reference = "data"
    test      = "binomial-ratio"
    tolerance = 0.01
  }

  observable "kskpi-trk_eff_cos" {
    title     = "tracking efficiency against cos theta"
    sample    = "kskpi"
    histogram = "trk_eff_cos"
    reference = "data"
    test      = "binomial-ratio"
    tolerance = 0.01
  }
}
