"""What `make setup` does for an ordinary user: it installs nothing, and names what is missing and the cure."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[2]


@pytest.fixture
def checkout(tmp_path) -> Path:
    """A checkout without a virtual environment."""
    folder = tmp_path / "checkout"
    (folder / "scripts").mkdir(parents=True)
    shutil.copy(PROJECT / "scripts" / "setup", folder / "scripts")
    shutil.copy(PROJECT / "pyproject.toml", folder)
    return folder


def programs(folder: Path, *without: str) -> Path:
    """A folder of every program of this host but some; `apt-get` and `dockerd` only tell that they were called."""
    folder.mkdir()
    for place in os.environ["PATH"].split(os.pathsep):
        for program in Path(place).glob("*") if Path(place).is_dir() else ():
            if program.name not in (*without, "apt-get", "dockerd", "id") and not (folder / program.name).exists():
                (folder / program.name).symlink_to(program)
    for name in ("apt-get", "dockerd"):
        (folder / name).write_text(f"#!/bin/sh\necho called {name} $* >> {folder}/called\nexit 99\n")
        (folder / name).chmod(0o755)
    return folder


def setup(checkout: Path, path: Path, uid: int, **environment: str) -> subprocess.CompletedProcess[str]:
    (path / "id").unlink(missing_ok=True)
    (path / "id").write_text(f"#!/bin/sh\n[ $1 = -u ] && echo {uid} || echo somebody\n")
    (path / "id").chmod(0o755)
    return subprocess.run(
        [checkout / "scripts" / "setup"],
        env={"PATH": str(path), "HOME": str(checkout), "PYTHON": sys.executable, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_an_ordinary_user_is_told_what_is_missing_and_nothing_is_installed(checkout, tmp_path):
    path = programs(tmp_path / "bin", "skopeo", "rpmbuild")
    done = setup(checkout, path, uid=1000)
    assert done.returncode == 3
    assert "apt-get install --no-install-recommends" in done.stderr
    missing = done.stderr.splitlines()[0].removeprefix("missing on this host: ").split()
    assert {"rpm", "skopeo"} <= set(missing)
    assert not (path / "called").exists()


def test_an_ordinary_user_without_an_engine_is_told_how_to_start_one(checkout, tmp_path):
    path = programs(tmp_path / "bin")
    for name in (
        "skopeo",
        "mmdebstrap",
        "rpmbuild",
        "rpmsign",
        "createrepo_c",
        "gpg",
        "docker",
        "docker-registry",
        "newuidmap",
        "qemu-img",
        "qemu-system-x86_64",
    ):
        if not (path / name).exists():
            (path / name).symlink_to("/bin/true")
    (path / "docker").unlink()
    (path / "docker").write_text("#!/bin/sh\nexit 1\n")
    (path / "docker").chmod(0o755)
    done = setup(checkout, path, uid=1000)
    assert done.returncode == 3, done.stderr
    assert "no Docker Engine answers" in done.stderr
    assert "usermod -aG docker" in done.stderr
    assert not (path / "called").exists()


def test_root_installs_what_is_missing(checkout, tmp_path):
    path = programs(tmp_path / "bin", "skopeo")
    done = setup(checkout, path, uid=0)
    assert done.returncode == 3  # the apt-get of this test fails
    assert "called apt-get update" in (path / "called").read_text()
