"""The same lock gives the same bytes in another world: both example releases, every output, everything varied at once.

Another day (libfaketime, on the host and in every container), another engine with its files in memory, another
folder, user, umask, locale, time zone and host name, one processor instead of two. What is emulated: the
operating system tinyel, made of Debian binaries, and the toy miniboss.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.integration.spine import PORT, Workplace, example_upstream, miniboss
from tests.integration.tiny_release import must

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("reproducibility")]
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
def another_engine(folder: Path) -> Iterator[str]:
    """Start a Docker Engine of its own, whose containers live on another day; gives its address."""
    address = f"unix://{folder}/docker.sock"
    words = [
        "dockerd", f"--host={address}", f"--data-root={folder}/data", f"--exec-root={folder}/exec",
        f"--pidfile={folder}/pid", "--bridge=none", "--iptables=false", f"--add-runtime=other-day={RUNTIME}",
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
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = Path(tmp_path_factory.mktemp("engine"))
    with ExitStack() as stack:
        stack.enter_context(mounted("mount", "-t", "tmpfs", "-o", "size=8g", "engine", folder))
        address = stack.enter_context(another_engine(folder))
        # another user, who may read this checkout wherever it lies, and talk to that engine, and nothing more
        user = (
            "setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups",
            "--inh-caps=-all,+dac_read_search", "--ambient-caps=-all,+dac_read_search",
        )  # fmt: skip
        prefix = (
            "unshare", "--uts", "sh", "-c", 'hostname elsewhere && umask 077 && exec "$@"', "sh",
            "taskset", "--cpu-list", "0", *user, "faketime", "+400 days",
        )  # fmt: skip
        yield World(prefix, {"DOCKER_HOST": address, "HOME": "/nonexistent", **UNLIKE})


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    """Both releases, frozen and built in this world."""
    work = miniboss().copy(tmp_path_factory.mktemp("both"))
    with example_upstream(PORT):
        must(work.run("freeze", RELEASES[1]))
    must(work.run("build", RELEASES[1], time_limit=1200))
    return work


def test_that_world_is_another(world: World) -> None:
    """A proof that looks at nothing would pass: what is varied is varied, on the host and in containers."""
    said = world.output(
        "sh",
        "-c",
        "date +%Y; hostname; umask; id -u; nproc; date +%Z; python3 -c 'import time; print(time.gmtime().tm_year)'",
    )
    assert said.split() == [world.year, "elsewhere", "0077", str(USER), "1", "+14", world.year]


def test_every_output_of_both_example_releases_is_bit_identical(built: Workplace, world: World, tmp_path: Path) -> None:
    work = built.copy(tmp_path / "elsewhere")
    for path in (work.folder, *work.folder.rglob("*")):
        os.chown(path, USER, USER, follow_symlinks=False)
    for parent in (tmp_path, *tmp_path.parents):
        if parent.is_relative_to(tempfile.gettempdir()) and parent != Path(tempfile.gettempdir()):
            parent.chmod(0o755)
    ran = work.run(
        "rebuild", *RELEASES, "--without-validation", "--json",
        prefix=world.prefix, environment=world.environment, time_limit=1200,
    )  # fmt: skip
    assert ran.code == 0, ran.err + ran.out
    images = world.output("docker", "images", "--quiet", "--filter", "reference=boss-builder/builder").split()
    asked = ("docker", "run", "--rm", "--network", "none", images[0], "sh", "-c", "date +%Y; nproc; hostname")
    assert world.output(*asked).split() == [world.year, "1", "elsewhere"], "containers are of that world too"
    answers = {(run["release"], answer["shape"]): answer for run in ran.json["runs"] for answer in run["answers"]}
    assert sorted(answers) == [(release, shape) for release in RELEASES for shape in ("oci", "sif", "vm")]
    for answer in answers.values():
        assert answer["stored"] == answer["rebuilt"] != ""
        assert "COMPARE/bit-identical" in [finding["cause"] for finding in answer["findings"]]
