# The first open example release: a toy in place of BOSS, so that every step can be shown without the collaboration's
# software.

release "miniboss" "1.0.0" {
  extends = "tinyel-1"
  title   = "miniboss 1.0.0"
  date    = "2020-03-01"
  license = "MIT"
}

locals {
  boss      = "/opt/miniboss/1.0.0"
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
    packages      = ["miniboss-1.0.0"]
    gpg_keys      = ["${var.upstream}/miniboss/x86_64/RPM-GPG-KEY-miniboss"]
    gpgcheck      = true
    repo_gpgcheck = true
  }

  environment = {
    BES_RELEASE = "1.0.0"
    BesArea     = local.boss
    PATH        = "${local.boss}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    PYTHONPATH  = "${local.externals}/particletable/1.0.0"
  }
}

document "release-notes" {
  title = "Release notes of miniboss 1.0.0"
  file  = "documents/release-notes.md"
}

validation {
  suite      = "validation"
  time_limit = 120
}
