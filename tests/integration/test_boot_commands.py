"""The commands run, list and validate as a person calls them, on a store alone: no recipe is at hand."""

from __future__ import annotations

import fcntl
import io
import json
import os
import pty
import signal
import struct
import subprocess
import termios
import time
from pathlib import Path

import docker.errors
import pytest

from builder.core.digest import Digest
from builder.engine.engine import OWNER, Engine
from builder.inside.canonical import walk_source, write_tar
from builder.lock import file as lock_file
from builder.lock.model import Blob, Lock, Source
from builder.recipe.load import load
from builder.store.store import Store
from tests.integration.spine import COMMAND, Ran, Workplace

pytestmark = pytest.mark.integration
RECIPE = """
release "tiny" "1.0" {
  title   = "Tiny 1.0"
  date    = "2020-03-01"
  license = "MIT"
}

os {
  family       = "tiny"
  version      = "1"
  architecture = "x86_64"
  packages     = ["shell"]

  rpm_repository "os" {
    url      = "http://vault.example.org/os/"
    gpgcheck = false
  }
}

package "boss" {
  source "rpm_repository" {
    url      = "http://vault.example.org/boss/"
    packages = ["boss"]
    gpgcheck = false
  }
}
"""


@pytest.fixture(scope="module")
def place(make_image, tmp_path_factory) -> Workplace:
    folder = tmp_path_factory.mktemp("place")
    profile = b"export FROM_PROFILE=yes\n"
    annotations = {"org.opencontainers.image.created": "2020-01-01T00:00:00Z"}
    make_image(Store(folder / "images"), "tiny-1", files={"etc/profile": profile}, annotations=annotations)
    return Workplace(folder)


def boss_builder(place: Workplace, *words: str, stdin: bytes = b"", **changes: str) -> Ran:
    environment = place.environment() | changes
    done = subprocess.run(
        [COMMAND, *words], cwd=place.folder, env=environment, input=stdin, capture_output=True, timeout=60, check=False
    )
    return Ran(done.returncode, done.stdout.decode(), done.stderr.decode())


def containers_of(engine: Engine, process: int) -> list[str]:
    found = engine.client.api.containers(all=True, filters={"label": OWNER})
    return [c["Id"] for c in found if f":{process}:" in c["Labels"][OWNER]]


# -- run ----------------------------------------------------------------------------------------------------------


def test_a_command_keeps_its_streams_and_exit_code(place: Workplace) -> None:
    ran = boss_builder(place, "run", "tiny-1", "--", "sh", "-c", "cat; echo err >&2; exit 7", stdin=b"in\n")
    assert (ran.code, ran.out) == (7, "in\n")
    first, *rest = ran.err.splitlines()
    assert first.startswith("booting tiny-1 (sha256:")
    assert "networking is off" in first
    assert rest == ["err"]


def test_options_after_the_dashes_belong_to_the_command(place: Workplace) -> None:
    assert boss_builder(place, "run", "tiny-1", "--", "echo", "--help", "-v", "a  b").out == "--help -v a  b\n"


def test_the_profile_of_a_login_shell_counts(place: Workplace) -> None:
    assert boss_builder(place, "run", "tiny-1", "--", "sh", "-c", "echo $FROM_PROFILE").out == "yes\n"


def test_without_a_command_a_shell_reads_the_input(place: Workplace) -> None:
    ran = boss_builder(place, "run", "tiny-1", stdin=b"echo $FROM_PROFILE; exit 5\n")
    assert (ran.code, ran.out) == (5, "yes\n")


def test_a_program_that_is_not_there_ends_with_127(place: Workplace) -> None:
    assert boss_builder(place, "run", "tiny-1", "--", "no-such-program").code == 127


def test_there_is_no_network_in_it(place: Workplace) -> None:
    assert len(boss_builder(place, "run", "tiny-1", "--", "cat", "/proc/net/route").out.splitlines()) == 1


def test_a_large_stream_passes_as_it_comes(place: Workplace) -> None:
    data = b"0123456789abcde\n" * (20 * 65536)
    assert len(boss_builder(place, "run", "tiny-1", "--", "cat", stdin=data).out) == len(data)


def test_a_release_that_the_store_lacks_is_named_with_what_there_is(place: Workplace) -> None:
    ran = boss_builder(place, "run", "tiny-2")
    assert ran.code == 2
    assert "no image of tiny-2" in ran.err
    assert "it has: tiny-1" in ran.err
    assert "boss-builder build tiny-2" in ran.err


def test_without_an_engine_the_cure_is_named(place: Workplace) -> None:
    ran = boss_builder(place, "run", "tiny-1", DOCKER_HOST="unix:///no/such/socket")
    assert ran.code == 3
    assert ran.err.startswith("this host can not start the oci image: no Docker Engine answers")
    assert "systemctl start docker" in ran.err


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_it_and_leaves_no_container(
    place: Workplace, engine: Engine, number: signal.Signals, code: int
) -> None:
    with subprocess.Popen(
        [COMMAND, "run", "tiny-1", "--", "sh", "-c", "echo up; sleep 1000"],
        cwd=place.folder,
        env=place.environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        assert len(containers_of(engine, process.pid)) == 1
        process.send_signal(number)
        assert process.wait(20) == code
    assert containers_of(engine, process.pid) == []


def test_a_terminal_has_its_size_and_its_exit_code(place: Workplace) -> None:
    # the docker program sets the size a moment after the start
    script = (
        'tty; until size=$(busybox stty size 2>&1) && [ "$size" = "33 77" ]; do sleep 0.1; done; echo $size; exit 6'
    )
    child, terminal = pty.fork()
    if child == 0:
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 77, 0, 0))
        os.chdir(place.folder)
        words = [str(COMMAND), "run", "tiny-1", "--", "sh", "-c", script]
        os.execve(COMMAND, words, place.environment())  # noqa: S606 - no shell is wanted
    shown = b""
    try:
        while chunk := os.read(terminal, 4096):
            shown += chunk
    except OSError:
        pass  # Linux says EIO where the other side of a terminal has closed
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 6, shown
    assert b"/dev/pts/" in shown
    assert b"33 77" in shown


# -- list ---------------------------------------------------------------------------------------------------------


def test_list_shows_the_images(place: Workplace) -> None:
    ran = boss_builder(place, "list")
    assert ran.code == 0
    lines = [line.split() for line in ran.out.splitlines()]
    assert lines[:2] == [["images"], ["release", "shape", "size", "created", "digest"]]
    assert lines[2][:2] == ["tiny-1", "oci"]
    assert lines[2][-2] == "2020-01-01T00:00:00Z"
    found = json.loads(boss_builder(place, "list", "--json").out)
    assert [image["release"] for image in found["images"]] == ["tiny-1"]
    blobs = [p.stat().st_size for p in (place.folder / "images" / "blobs" / "sha256").iterdir()]
    assert (found["blobs"], found["total_size"]) == (len(blobs), sum(blobs))


def test_list_of_an_absent_store_is_empty_and_says_what_comes_next(tmp_path: Path) -> None:
    ran = boss_builder(Workplace(tmp_path), "list")
    assert ran.code == 0
    assert ran.out.startswith("0 blobs, 0 B in ")
    assert "boss-builder freeze" in ran.err
    assert list(tmp_path.iterdir()) == []


# -- validate -----------------------------------------------------------------------------------------------------


def frozen_place(folder: Path, make_image, suite: str) -> Workplace:
    """A recipe with its lock and image, as freeze and build would leave them; the image is busybox."""
    place = Workplace(folder)
    recipe = place.recipes / "tiny-1.0" / "recipe.hcl"
    (recipe.parent / "validation").mkdir(parents=True)
    (recipe.parent / "validation" / "test_tiny.py").write_text(suite)
    recipe.write_text(RECIPE + '\nvalidation {\n  suite = "validation"\n}\n')
    tar = io.BytesIO()
    write_tar(walk_source(recipe.parent / "validation", 0), tar)
    blob = Blob(digest=str(place.store.put(tar.getvalue())), size=len(tar.getvalue()))
    lock = Lock(
        version=1,
        recipe=load(recipe, {}, {}).recipe,
        recipe_files={"tiny-1.0": Blob(digest=str(Digest.of(recipe.read_bytes())), size=recipe.stat().st_size)},
        builder_image=blob,
        repositories=(),
        os_packages=(),
        frozen_repository={},
        sources={"validation.suite": Source(source="tiny-1.0/validation", blob=blob, kind="directory")},
    )
    lock_file.write(lock, place.lock("tiny-1.0"))
    make_image(place.store, "tiny-1.0", annotations={"boss-builder.lock": str(Digest.of(lock_file.encode(lock)))})
    return place


def test_validate_gives_its_result_as_text_and_json(make_image, tmp_path: Path) -> None:
    place = frozen_place(tmp_path, make_image, "def test_tiny(host): assert host.run('true').rc == 0\n")
    ran = boss_builder(place, "validate", "tiny-1.0", "--json")
    assert ran.code == 1, ran.err
    assert ran.json["state"] == "FAILED"  # busybox's system has no rpm
    (judged,) = ran.json["images"]
    assert (judged["image"]["shape"], judged["state"]) == ("oci", "FAILED")
    assert {suite["name"]: len(suite["checks"]) for suite in judged["suites"]} == {"standard": 8, "recipe": 1}
    assert judged["suites"][1]["checks"][0] == {"name": "test_tiny.py::test_tiny", "outcome": "passed", "message": ""}
    assert Path(ran.json["report"]).is_file()
    text = boss_builder(place, "validate", "tiny-1.0")
    assert text.code == 1
    assert "failed: test_packages.py::test_the_packages_are_those_of_the_lock" in text.out
    assert judged["artifact"] in text.out
    listed = boss_builder(place, "list", "--json").json
    assert [(v["state"], v["of_present_image"]) for v in listed["validations"]] == [("FAILED", True)]


def test_validate_that_is_interrupted_stops_at_once_and_leaves_nothing(
    make_image, engine: Engine, tmp_path: Path
) -> None:
    place = frozen_place(tmp_path, make_image, "def test_hang(host): host.run('echo here > /mark; sleep 16180')\n")
    with subprocess.Popen(
        [COMMAND, "validate", "tiny-1.0"],
        cwd=place.folder,
        env=place.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        deadline = time.monotonic() + 30
        while not any("16180" in words for words in processes_of(engine, process.pid)):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        before = place.contents()
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
    assert containers_of(engine, process.pid) == []
    assert list((place.folder / "images" / "tmp").iterdir()) == []
    assert place.contents() == before


def processes_of(engine: Engine, process: int) -> list[str]:
    """Command lines in the containers of a process."""
    lines = []
    for container in containers_of(engine, process):
        try:
            found = engine.client.api.top(container)
        except docker.errors.APIError:
            continue  # it is starting, or gone
        lines += [" ".join(words) for words in found["Processes"]]
    return lines


def test_validate_names_the_command_that_comes_first(tmp_path: Path) -> None:
    place = Workplace(tmp_path)
    (place.recipes / "tiny-1.0").mkdir(parents=True)
    (place.recipes / "tiny-1.0" / "recipe.hcl").write_text(RECIPE)
    ran = boss_builder(place, "validate", "tiny-1.0")
    assert ran.code == 2, ran.err
    assert "boss-builder freeze tiny-1.0" in ran.err
