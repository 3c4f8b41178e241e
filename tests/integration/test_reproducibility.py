"""The same lock gives the same bytes in another world: both example releases, every output, everything varied at once.

Another day (libfaketime, on the host and in every container), another engine, another folder, user, umask, locale,
time zone and host name, one processor instead of two, and another order of the entries of every folder: what was on the
disk at the first build (the engine's files, the store and its workspaces) is in memory at the second, and what was in
memory (the root while dnf installs, the files that images are packed from) is on the disk. File systems in memory list
the newest entry first or last, those on disks by a hash of its name. What is emulated: the operating system tinyel,
made of Debian binaries, and the toy miniboss.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.integration.spine import CACHE, PORT, Workplace, example_upstream, miniboss
from tests.integration.tiny_release import must

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("reproducibility"), pytest.mark.timeout(1800)]
RELEASES = ("miniboss-1.0.0", "miniboss-1.1.0")
RUNTIME = Path(__file__).with_name("other_day_runtime.py")
USER = 4711
UNLIKE = {
    "LC_ALL": "C",
    "LANG": "C",
    "TZ": "Pacific/Kiritimati",
}


@dataclass(frozen=True)
class World:
    """How to run a command in it: what goes before the words, and what its environment has."""

    prefix: tuple[str, ...]
    environment: dict[str, str]
    memory: Path
    """A folder in memory that its user can write to."""

    @property
    def year(self) -> str:
        """The year that it is there."""
        return str(time.gmtime(time.time() + 400 * 86400).tm_year)

    def output(self, *words: str) -> str:
        environment = {**os.environ, **self.environment}
        return subprocess.run(
            [*self.prefix, *words], env=environment, check=True, capture_output=True, text=True, timeout=120
        ).stdout


@contextmanager
def mounted(*words: str | Path) -> Iterator[None]:
    """Mount something for a while; its place is the last word."""
    subprocess.run(words, check=True, timeout=60)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", words[-1]], check=True, timeout=60)


@contextmanager
def another_engine(folder: Path, runtime: Path) -> Iterator[str]:
    """Start a Docker Engine of its own, whose containers live on another day; gives its address."""
    address = f"unix://{folder}/docker.sock"
    words = [
        "dockerd", f"--host={address}", f"--data-root={folder}/data", f"--exec-root={folder}/exec",
        f"--pidfile={folder}/pid", "--bridge=none", "--iptables=false", f"--add-runtime=other-day={runtime}",
        "--default-runtime=other-day", f"--group={USER}",
    ]  # fmt: skip
    with (folder / "log").open("wb") as log, subprocess.Popen(words, stdout=log, stderr=log) as engine:
        try:
            deadline = time.monotonic() + 60
            while subprocess.run(["docker", f"--host={address}", "info"], capture_output=True, check=False).returncode:
                if time.monotonic() > deadline or engine.poll() is not None:
                    raise RuntimeError((folder / "log").read_text())
                time.sleep(0.2)
            yield address
        finally:
            engine.terminate()
            engine.wait(timeout=60)


@pytest.fixture(scope="module")
def disk() -> Iterator[Path]:
    """A folder on the disk, where the checkout lies; the system's own for temporary files may be in memory."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as folder:
        yield Path(folder)


@pytest.fixture(scope="module")
def world(disk: Path) -> Iterator[World]:
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    with ExitStack() as stack:
        stack.callback(folder.rmdir)
        stack.enter_context(mounted("mount", "-t", "tmpfs", "-o", "size=12g,mode=755", "elsewhere", folder))
        for name in ("engine", "user"):
            (folder / name).mkdir(mode=0o755)
        os.chown(folder / "user", USER, USER)
        address = stack.enter_context(another_engine(folder / "engine", shutil.copy2(RUNTIME, disk)))
        # another user, who may read this checkout wherever it lies, and talk to that engine, and nothing more
        user = (
            "setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups",
            "--inh-caps=-all,+dac_read_search", "--ambient-caps=-all,+dac_read_search",
        )  # fmt: skip
        prefix = (
            "unshare", "--uts", "sh", "-c", 'hostname elsewhere && umask 077 && exec "$@"', "sh",
            "taskset", "--cpu-list", "0", *user, "faketime", "+400 days",
        )  # fmt: skip
        environment = {"DOCKER_HOST": address, "HOME": "/nonexistent", **UNLIKE}
        yield World(prefix, environment, folder / "user")


@pytest.fixture(scope="module")
def built(disk: Path) -> Workplace:
    """Both releases, frozen and built in this world, on the disk."""
    work = miniboss().copy(disk / "both")
    with example_upstream(PORT):
        must(work.run("freeze", RELEASES[1]))
    must(work.run("build", RELEASES[1], time_limit=1200))
    return work


@pytest.fixture(scope="module")
def runs(built: Workplace, world: World) -> list[dict[str, Any]]:
    """What rebuilding both in the other world found, from a copy in memory."""
    work = built.copy(world.memory / "elsewhere")
    for path in (work.folder, *work.folder.rglob("*")):
        os.chown(path, USER, USER, follow_symlinks=False)
    ran = work.run(
        "rebuild", *RELEASES, "--without-validation", "--json",
        prefix=world.prefix, environment=world.environment, time_limit=1200,
    )  # fmt: skip
    assert ran.code == 0, ran.err + ran.out
    found: list[dict[str, Any]] = ran.json["runs"]
    return found


def test_that_world_is_another(world: World) -> None:
    """A proof that looks at nothing would pass: what is varied is varied, on the host and in containers."""
    said = world.output(
        "sh",
        "-c",
        "date +%Y; hostname; umask; id -u; nproc; date +%Z; python3 -c 'import time; print(time.gmtime().tm_year)'",
    )
    assert said.split() == [world.year, "elsewhere", "0077", str(USER), "1", "+14", world.year]


@pytest.mark.usefixtures("runs")
def test_its_containers_are_of_that_world(world: World) -> None:
    assert in_container("date +%Y; nproc; hostname", world).split() == [world.year, "1", "elsewhere"]


def test_its_folders_list_their_entries_in_another_order(built: Workplace, world: World) -> None:
    """As programs see them that do not sort: made in one order, on the disk here and in memory there."""
    here, there = (listed(folder) for folder in (built.folder / "images" / "tmp", world.memory))
    assert sorted(here) == sorted(there) == sorted(NAMES)
    assert here != there


@pytest.mark.usefixtures("runs")
@pytest.mark.parametrize("folder", ["/listed", "/boss-builder/listed"], ids=["root", "memory"])
def test_folders_in_its_containers_list_their_entries_in_another_order(world: World, folder: str) -> None:
    """A container's root is on the disk here, in memory there; what we ask to have in memory, the other way round."""
    script = f"mkdir -p {folder} && cd {folder} && touch {' '.join(NAMES)} && ls -U"
    here, there = (in_container(script, place).split() for place in (None, world))
    assert sorted(here) == sorted(there) == sorted(NAMES)
    assert here != there


NAMES = [f"entry-{number}" for number in range(64)]


def listed(folder: Path) -> list[str]:
    """Make entries in a new folder; gives them in the order in which the file system has them."""
    with tempfile.TemporaryDirectory(dir=folder) as place:
        for name in NAMES:
            (Path(place) / name).touch()
        return os.listdir(place)  # noqa: PTH208 - in the file system's own order


def in_container(script: str, world: World | None) -> str:
    """Run a script in the builder image, in that world or in this; gives what it printed."""
    words = ["docker", "images", "--quiet", "--filter", "reference=boss-builder/builder"]
    options = ["--rm", "--network", "none", "--tmpfs", "/boss-builder/listed:exec"]
    if world is not None:
        (image, *_) = world.output(*words).split()
        return world.output("docker", "run", *options, image, "sh", "-c", script)
    (image, *_) = subprocess.run(words, check=True, capture_output=True, text=True, timeout=120).stdout.split()
    done = subprocess.run(
        ["docker", "run", *options, image, "sh", "-c", script], check=True, capture_output=True, text=True, timeout=120
    )
    return done.stdout


@pytest.mark.usefixtures("runs")
def test_what_is_in_memory_here_lay_on_the_disk_there(disk: Path) -> None:
    """The root that dnf installs into, and what images are packed from."""
    found = {path.name.split("-")[3] for path in disk.glob("not-in-memory-*")}
    assert {"os", "scratch"} <= found


def test_every_output_of_both_example_releases_is_bit_identical(runs: list[dict[str, Any]]) -> None:
    answers = {(run["release"], answer["shape"]): answer for run in runs for answer in run["answers"]}
    assert sorted(answers) == [(release, shape) for release in RELEASES for shape in ("oci", "sif", "vm")]
    for answer in answers.values():
        assert answer["stored"] == answer["rebuilt"] != ""
        assert "COMPARE/bit-identical" in [finding["cause"] for finding in answer["findings"]]
