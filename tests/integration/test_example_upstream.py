"""The example upstream as the product meets it: a signed repository from which a sound system can be made.

The root is bootstrapped with everything that the repository holds, by the dnf of the builder image, without a network.
"""

from __future__ import annotations

import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from builder.core.progress import PlainProgress
from builder.engine.engine import Engine, Folder
from builder.store.store import Store
from builder.toolbox.toolbox import open_toolbox
from example.upstream import packages
from example.upstream.tree import EXAMPLE, OS_KEY, OS_PATH, RELEASE_KEY, RELEASE_PATH, TARBALL, make
from tests.integration.spine import builder_store

pytestmark = pytest.mark.integration
PROJECT = EXAMPLE.parent
CACHE = PROJECT / ".cache" / "example"

BOOTSTRAP = """\
set -eu
# this rpm would give each scriptlet a network name space of its own, which an ordinary container may not
echo '%__transaction_unshare %{nil}' > "$HOME/.rpmmacros"
mkdir -p /etc/yum.repos.d /scratch/log
for name in tinyel miniboss; do
    case $name in tinyel) path=OS_PATH ;; *) path=RELEASE_PATH ;; esac
    printf '[%s]\\nname=%s\\nbaseurl=file:///vault/%s/\\ngpgkey=file:///vault/%s/RPM-GPG-KEY-%s\\n' \\
        $name $name $path $path $name
    printf 'gpgcheck=1\\nrepo_gpgcheck=1\\n'
done > /etc/yum.repos.d/example.repo
root=/scratch/root
mkdir -p $root
dnf -y --installroot=$root --releasever=1 --setopt=reposdir=/etc/yum.repos.d --setopt=cachedir=/scratch/cache \\
    --setopt=logdir=/scratch/log install PACKAGES > /out/dnf 2>&1
rpm --root $root -qa | sort > /out/installed
rpm --root $root -Va > /out/verify 2>&1 || true
for what in 'facter os.family' 'puppet --version' '/opt/miniboss/1.0.0/bin/boss.exe' \\
    'python3 -c "import numpy; print(numpy.arange(4).sum())"' 'rpm -q --qf %{VERSION} miniboss'; do
    echo "$ $what"
    chroot $root /bin/bash -c "$what" || echo "exit code $?"
done > /out/said
ls $root/usr/lib/modules/*/modules.dep $root/etc/ld.so.cache > /out/made
rpmkeys --import /vault/OS_PATH/OS_KEY /vault/RELEASE_PATH/RELEASE_KEY
rpmkeys --checksig /vault/*/*/Packages/*.rpm /vault/*/*/*/*/Packages/*.rpm > /out/signatures 2>&1 || true
"""


@dataclass(frozen=True)
class Bootstrapped:
    """What bootstrapping the whole repository left behind, by name."""

    folder: Path

    def lines(self, name: str) -> list[str]:
        return (self.folder / name).read_text().splitlines()


@pytest.fixture(scope="module")
def tree() -> Path:
    return make(CACHE, print)


@pytest.fixture(scope="module")
def bootstrapped(engine: Engine, tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Bootstrapped:
    folder = tmp_path_factory.mktemp("bootstrapped")
    names = {
        "OS_PATH": OS_PATH,
        "RELEASE_PATH": RELEASE_PATH,
        "OS_KEY": OS_KEY,
        "RELEASE_KEY": RELEASE_KEY,
        "PACKAGES": " ".join((*packages.WANTED, "miniboss-1.0.0")),
    }
    script = BOOTSTRAP
    for name, value in names.items():
        script = script.replace(name, value)
    toolbox = open_toolbox(Store(builder_store()), engine, PlainProgress())
    done = engine.run(
        toolbox.image_id,
        ["/bin/sh", "-c", script],
        folders=[Folder(tree, "/vault"), Folder(folder, "/out", writable=True)],
        environment={"SOURCE_DATE_EPOCH": str(packages.DATE), "LC_ALL": "C.UTF-8", "HOME": "/root"},
        time_limit=300,
    )
    log = folder / "dnf"
    assert done.exit_code == 0, done.tail + (log.read_text()[-3000:] if log.exists() else "")
    return Bootstrapped(folder)


@pytest.fixture(scope="module")
def url(tree: Path) -> Iterator[str]:  # noqa: ARG001 - it must be made before it is served
    words: list[str | Path] = [sys.executable, "-m", "example.upstream", "serve", "--cache", CACHE, "--port", "0"]
    with subprocess.Popen(words, cwd=PROJECT, stdout=subprocess.PIPE, text=True) as serving:
        assert serving.stdout is not None
        yield serving.stdout.readline().strip()
        serving.terminate()
    assert serving.returncode == 0


def test_every_package_of_the_repository_can_be_installed(bootstrapped: Bootstrapped, tree: Path) -> None:
    offered = {path.name.removesuffix(".rpm") for path in tree.glob("**/Packages/*.rpm")}
    # the keys that dnf imported lie in the rpm database beside the packages
    installed = {line for line in bootstrapped.lines("installed") if not line.startswith("gpg-pubkey-")}
    assert installed == offered - {"miniboss-1.1.0-1.noarch"}  # of two releases one can be installed
    assert len(installed) > 150


def test_rpm_finds_nothing_changed_in_the_root(bootstrapped: Bootstrapped) -> None:
    assert bootstrapped.lines("verify") == []


def test_no_scriptlet_fails(bootstrapped: Bootstrapped) -> None:
    troubles = [line for line in bootstrapped.lines("dnf") if "scriptlet failed" in line or line.startswith("Error")]
    assert troubles == []
    assert {Path(line).name for line in bootstrapped.lines("made")} == {"modules.dep", "ld.so.cache"}


def test_every_package_is_signed(bootstrapped: Bootstrapped, tree: Path) -> None:
    verdicts = bootstrapped.lines("signatures")
    assert len(verdicts) == len(list(tree.glob("**/Packages/*.rpm")))
    assert [line for line in verdicts if not line.endswith("digests signatures OK")] == []


def test_puppet_python_and_the_toy_release_run_in_the_root(bootstrapped: Bootstrapped) -> None:
    said = "\n".join(bootstrapped.lines("said"))
    assert "facter os.family\nRedHat" in said
    assert "BOSS version: 1.0.0\nERROR! the jobOptions file is empty!\nexit code 1" in said
    assert 'numpy.arange(4).sum())"\n6' in said
    assert said.count("exit code") == 1


def test_making_it_again_makes_nothing(tree: Path) -> None:
    started = time.monotonic()
    said: list[str] = []
    assert make(CACHE, said.append) == tree
    assert said == []
    assert time.monotonic() - started < 10


@pytest.mark.parametrize(
    "path",
    [
        f"{OS_PATH}/repodata/repomd.xml",
        f"{OS_PATH}/repodata/repomd.xml.asc",
        f"{OS_PATH}/{OS_KEY}",
        f"{RELEASE_PATH}/repodata/repomd.xml.asc",
        f"{RELEASE_PATH}/{RELEASE_KEY}",
        f"sources/{TARBALL}.tar",
    ],
)
def test_what_a_vault_serves_is_served(url: str, tree: Path, path: str) -> None:
    with urllib.request.urlopen(f"{url}/{path}", timeout=10) as answer:  # noqa: S310 - loopback
        assert answer.read() == (tree / path).read_bytes()


def test_the_secret_keys_are_not_served(tree: Path) -> None:
    names = {path.name for path in tree.rglob("*") if path.is_file()}
    assert not {name for name in names if "secring" in name or name.endswith((".key", ".kbx", ".gpg"))}


def test_the_command_names_the_public_key(tree: Path) -> None:
    words: list[str | Path] = [sys.executable, "-m", "example.upstream", "key", "--cache", CACHE]
    done = subprocess.run(words, cwd=PROJECT, capture_output=True, text=True, check=True, timeout=30)
    assert Path(done.stdout.strip()).read_bytes() == (tree / OS_PATH / OS_KEY).read_bytes()


def test_serving_before_making_is_an_error_that_says_so(tmp_path: Path) -> None:
    words: list[str | Path] = [sys.executable, "-m", "example.upstream", "serve", "--cache", tmp_path, "--port", "0"]
    done = subprocess.run(words, cwd=PROJECT, capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 1
    assert "holds no example upstream" in done.stderr
    assert "Traceback" not in done.stderr
