"""A system whose rpm is really another one: rpm 4.16 of Debian 11, which writes Berkeley DB and knows no fixed clock.

It stands in for the rpm of an old Enterprise Linux, as tinyel does for the rest of it. It is fetched from the host's
own Debian mirror, each file by its sha256, and packed as one RPM that takes the place of tinyel's.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from example.upstream.convert import rpmbuild
from tests.integration.spine import CACHE
from tests.tinyrpm import DATE

VERSION = "4.16.1.2"
DEBS = {
    "l/lua5.2/liblua5.2-0_5.2.4-1.1+b3": "e0f2d054e44486b7e89203e5994efffbafa63b334f86709261c9e710be8ec129",
    "r/rpm/librpm9_4.16.1.2+dfsg1-3": "26d093fc721bb669a4df4bcf34a8ca34424e6bd6b91d04e9a055092337a3665c",
    "r/rpm/librpmio9_4.16.1.2+dfsg1-3": "e7e604d2d88c303610ba548240da4e31bc71ee4c9491c7bb4bcd4dba37ae4342",
    "r/rpm/rpm-common_4.16.1.2+dfsg1-3": "de00823619f9e01404a7b94f7551bff7cc68e55d9e927d10aaa57e94cc1c1225",
    "r/rpm/rpm_4.16.1.2+dfsg1-3": "854087b80c663be45434acca1eef451cfd3d16b420fa82997feaf5d6bb724a9e",
}
KEPT = (
    "usr/bin/rpm", "usr/bin/rpmdb", "usr/bin/rpmkeys", "usr/lib/rpm/macros", f"usr/lib/rpm/rpmpopt-{VERSION}",
    "usr/lib/rpm/rpmrc", "usr/lib/rpm/platform/x86_64-linux/macros",
    *(f"usr/lib/x86_64-linux-gnu/{name}" for name in (
        "liblua5.2.so.0", "liblua5.2.so.0.0.0", "librpm.so.9", "librpm.so.9.1.2", "librpmio.so.9",
        "librpmio.so.9.1.2",
    )),
)  # fmt: skip
NEEDS = (
    "filesystem", "libbz2-1.0", "libcap2", "libdb5.3", "libgcrypt20", "liblzma5", "libpopt0", "libsqlite3-0",
    "libzstd1", "setup", "zlib1g",
)  # fmt: skip


def _mirror() -> str:
    words = ["apt-get", "indextargets", "--format", "$(LABEL)|$(REPO_URI)", "Created-By: Packages"]
    listed = subprocess.run(words, check=True, capture_output=True, text=True, timeout=60).stdout
    return next(line.partition("|")[2] for line in listed.splitlines() if line.startswith("Debian|"))


def _deb(name: str, digest: str) -> Path:
    """Fetch one .deb, or find it in the cache."""
    target = CACHE / "debian-11" / f"{name.rpartition('/')[2]}_amd64.deb"
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
            fetched = Path(scratch) / "deb"
            address = f"{_mirror()}pool/main/{name}_amd64.deb"
            words = ["/usr/lib/apt/apt-helper", "download-file", address, str(fetched), f"SHA256:{digest}"]
            options = ["-o", "APT::Sandbox::User=", "-o", "Acquire::Retries=3"]
            subprocess.run([*words, *options], check=True, timeout=300)
            fetched.rename(target)
    return target


def build_old_rpm(folder: Path) -> Path:
    """Build the RPM `old-rpm` into a folder; give its path."""
    with tempfile.TemporaryDirectory() as scratch:
        home = Path(scratch)
        unpacked, buildroot = home / "debs", home / "root"
        for name, digest in DEBS.items():
            subprocess.run(["dpkg-deb", "-x", _deb(name, digest), unpacked], check=True, timeout=60)
        for name in KEPT:
            target = buildroot / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(unpacked / name, target, follow_symlinks=False)
            if not target.is_symlink():
                os.utime(target, (DATE, DATE))
        spec = home / "old-rpm.spec"
        lines = [
            "Name: old-rpm", f"Version: {VERSION}", "Release: 1", "Summary: an rpm of 2021", "License: GPL-2+",
            "BuildArch: x86_64", "AutoReqProv: no", f"Requires(pre): {' '.join(NEEDS)}", "%description", "For tests.",
            "%files", *(f"/{name}" for name in KEPT),
        ]  # fmt: skip
        spec.write_text("\n".join(lines) + "\n")
        made = rpmbuild(spec, buildroot, "x86_64", home, home / "out")
        folder.mkdir(parents=True, exist_ok=True)
        return Path(shutil.move(made, folder / made.name))
