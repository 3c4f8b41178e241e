"""The stage `os`: install packages with dnf into an empty root, and write the root as a canonical layer.

Request: {"packages": [NEVRA], "files": [name of the RPM of each], "repository": folder with these and `repodata/`,
"folder": where the root grows, "epoch": seconds since 1970, "rpm_database": "bdb", "ndb", "sqlite" or "" for what the
root's own rpm reads}. Answer: {"diff_id"}; the layer lies in `layer.tar.gz` of the current folder. The root exists only
in the container.
"""

from __future__ import annotations

import os
import shutil
import stat
import sys
from pathlib import Path
from typing import Any

from builder.inside.berkeley import with_canonical_databases
from builder.inside.canonical import walk
from builder.inside.compress import write_layer
from builder.inside.handover import hand_over, sweep
from builder.inside.program import call, serve

DEVICES = {"null": (1, 3), "zero": (1, 5), "full": (1, 7), "random": (1, 8), "urandom": (1, 9)}
OWN = ".boss-builder"
"""Folder of dnf's cache and logs; dnf takes such paths as paths below the root."""
LEFT_BEHIND = (
    OWN, "var/lib/dnf", "var/cache/dnf", "var/cache/ldconfig/aux-cache", "var/log/hawkey.log", "etc/.pwd.lock",
)  # fmt: skip
"""What installing leaves that says when or how it was done, and that nothing needs."""


def _make_devices(root: Path) -> None:
    """Make the few devices that scriptlets write to; they are taken away again."""
    (root / "dev").mkdir(parents=True)
    for name, (major, minor) in DEVICES.items():
        os.mknod(root / "dev" / name, 0o666 | stat.S_IFCHR, os.makedev(major, minor))


def _tidy(root: Path) -> None:
    for name in DEVICES:
        (root / "dev" / name).unlink(missing_ok=True)
    for name in LEFT_BEHIND:
        path = root / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    for path in (root / "var/log").glob("dnf*"):
        path.unlink()
    sweep(root)


def _failed_scriptlets(log: Path) -> list[str]:
    """Lines of dnf's log on scriptlets that failed: a root without their work is not the root that was asked for."""
    return [line for line in log.read_text("utf-8", "replace").splitlines() if "scriptlet" in line.lower()]


def install(request: dict[str, Any]) -> dict[str, Any]:
    """Answer a request as the module says; ends with exit code 1 where dnf does not install the packages."""
    root = Path(request["folder"]) / "root"
    _make_devices(root)
    for top in (root, Path("/")):  # dnf puts some of its logs below the root, and some not
        (top / OWN / "log").mkdir(parents=True)
    configuration = Path("/etc/dnf/dnf.conf")
    configuration.write_text("[main]\n", "ascii")
    # rpm 4.20 runs scriptlets in namespaces of their own, which a plain container may not make: all would fail
    (Path.home() / ".rpmmacros").write_text("%__transaction_unshare %{nil}\n", "ascii")
    done = call(
        "dnf", "-y", "--quiet", f"--config={configuration}", f"--installroot={root}", "--releasever=1",
        "--noplugins", "--nogpgcheck", f"--repofrompath=frozen,{request['repository']}", "--repo=frozen",
        f"--setopt=cachedir=/{OWN}/cache", f"--setopt=logdir=/{OWN}/log", "--setopt=install_weak_deps=False",
        "--setopt=keepcache=False", "--setopt=module_platform_id=", "install", *request["packages"],
        environment={"SOURCE_DATE_EPOCH": str(request["epoch"])}, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        print(done.stdout, file=sys.stderr)
        raise SystemExit("dnf did not install the packages of the lock")
    failed = _failed_scriptlets(root / OWN / "log" / "dnf.rpm.log")
    if failed:
        raise SystemExit("scriptlets failed, which dnf lets pass:\n" + "\n".join(failed))
    hand_over(root, Path(request["repository"]), request["files"], int(request["epoch"]), request["rpm_database"])
    _tidy(root)
    return write_layer(with_canonical_databases(walk(root, int(request["epoch"]))), "layer.tar.gz")


if __name__ == "__main__":
    serve(install)
