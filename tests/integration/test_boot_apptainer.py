"""The commands on Apptainer images, with this host's own apptainer and with the builder image's in Docker."""

from __future__ import annotations

import fcntl
import os
import pty
import shutil
import signal
import stat
import struct
import subprocess
import tempfile
import termios
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from builder.engine.engine import OWNER, Engine
from builder.store.shapes import reference
from tests.integration.apptainer import (
    AGENT_TOOLS,
    host_apptainer,
    keep_sif,
    path_with,
    path_without,
    processes_with,
    store_with_sif,
)
from tests.integration.spine import COMMAND, Ran, Workplace

pytestmark = pytest.mark.integration
NO_ENGINE = "unix:///no/such/socket"
PROFILE = b"export FROM_PROFILE=yes\n"


@dataclass(frozen=True)
class Place:
    """A store with an Apptainer image, and the environment in which a way to start it is there."""

    work: Workplace
    environment: dict[str, str]

    def start(self, *words: str, **options: object) -> subprocess.Popen[bytes]:
        return subprocess.Popen([COMMAND, *words], cwd=self.work.folder, env=self.environment, **options)  # type: ignore[call-overload,no-any-return]

    def run(self, *words: str, stdin: bytes = b"", **changes: str) -> Ran:
        done = subprocess.run(
            [COMMAND, *words],
            cwd=self.work.folder,
            env=self.environment | changes,
            input=stdin,
            capture_output=True,
            timeout=120,
            check=False,
        )
        return Ran(done.returncode, done.stdout.decode(), done.stderr.decode())

    def run_sif(self, *words: str, stdin: bytes = b"", options: tuple[str, ...] = (), **changes: str) -> Ran:
        return self.run("run", "tiny-1", "--as", "sif", *options, "--", *words, stdin=stdin, **changes)


@pytest.fixture(scope="module")
def work(engine: Engine, make_image, tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    folder = tmp_path_factory.mktemp("place")
    files = {**AGENT_TOOLS, "etc/profile": PROFILE}
    store_with_sif(engine, make_image, folder, files=files, env=("PROMISE=kept",))
    return Workplace(folder)


@pytest.fixture(scope="module")
def bare_path(tmp_path_factory: pytest.TempPathFactory) -> str:
    return path_without(tmp_path_factory.mktemp("bare") / "bin", "apptainer", "singularity")


@pytest.fixture(scope="module")
def own_path(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> str:
    return path_with(host_apptainer(engine, tmp_path_factory.mktemp("host")))


@pytest.fixture(scope="module", params=["host", "docker"])
def place(request: pytest.FixtureRequest, work: Workplace, bare_path: str, own_path: str) -> Place:
    setting = {"PATH": own_path, "DOCKER_HOST": NO_ENGINE} if request.param == "host" else {"PATH": bare_path}
    return Place(work, work.environment() | setting)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that any user may pass through."""
    made = Path(tempfile.mkdtemp())
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


def test_a_command_keeps_its_streams_and_exit_code(place: Place) -> None:
    ran = place.run_sif("sh", "-c", "cat; echo err >&2; exit 7", stdin=b"in\n")
    assert (ran.code, ran.out) == (7, "in\n"), ran.err
    assert ran.err.splitlines()[0].startswith("booting tiny-1 (sha256:")
    assert ran.err.splitlines()[-1] == "err"


def test_it_is_said_which_apptainer_is_used_and_why(place: Place) -> None:
    words = place.run_sif("true").err
    if "DOCKER_HOST" in place.environment:
        assert f"with {shutil.which('apptainer', path=place.environment['PATH'])}\n" in words
    else:
        assert "the builder image's apptainer in Docker, as this host has no apptainer" in words


def test_a_host_without_docker_runs_the_apptainer_image_by_itself(place: Place) -> None:
    ran = place.run("run", "tiny-1", "--", "echo", "here", DOCKER_HOST=place.environment.get("DOCKER_HOST", ""))
    assert (ran.code, ran.out) == (0, "here\n")
    shape = "sif: no Docker Engine answers, and" if "DOCKER_HOST" in place.environment else "oci: a Docker Engine"
    assert f" as {shape}" in ran.err


def test_the_command_is_root_and_has_the_images_environment(place: Place) -> None:
    ran = place.run_sif(
        "sh",
        "-c",
        "id -u; pwd; echo $PROMISE $FROM_PROFILE ${STRANGER-none}; busybox hostname",
        STRANGER="1",
        APPTAINERENV_STRANGER="2",
    )
    assert ran.out == "0\n/\nkept yes none\nboss\n"


def test_the_callers_own_settings_of_apptainer_do_not_count(place: Place) -> None:
    ran = place.run_sif("ls", "/", APPTAINER_BIND="/etc:/stranger", APPTAINER_NO_MOUNT="proc")
    assert ran.code == 0
    assert "stranger" not in ran.out


def test_there_is_no_network(place: Place) -> None:
    assert len(place.run_sif("cat", "/proc/net/route").out.splitlines()) == 1


def test_every_user_is_there(place: Place) -> None:
    ran = place.run_sif("sh", "-c", "echo > /tmp/x && busybox chown 65534 /tmp/x && stat -c %u /tmp/x")
    assert (ran.code, ran.out) == (0, "65534\n"), ran.err


def test_without_subordinate_ids_root_is_the_only_user(work: Workplace, engine: Engine, tmp_path: Path) -> None:
    own = path_with(host_apptainer(engine, tmp_path, ids=""))
    place = Place(work, work.environment() | {"PATH": own})
    assert place.run_sif("id", "-u").out == "0\n"
    assert place.run_sif("sh", "-c", "echo > /tmp/x; busybox chown 65534 /tmp/x").code == 1


def test_what_is_written_inside_goes(place: Place) -> None:
    assert place.run_sif("sh", "-c", "echo > /etc/mark && test -e /etc/mark").code == 0
    assert place.run_sif("test", "-e", "/etc/mark").code == 1


def test_a_users_files_go_in_and_results_come_out(place: Place, tmp_path: Path) -> None:
    data, out = tmp_path / "data, and: more".replace(":", ""), tmp_path / "out"
    data.mkdir()
    out.mkdir()
    (data / "job.txt").write_text("42\n")
    (data / "job.txt").chmod(0o644)
    options = ("--bind", f"{out}:/mine/out", "--bind", f"{data}:/data:ro", "--bind", f"{data / 'job.txt'}:/job")
    ran = place.run_sif("sh", "-c", "pwd; cat /job /data/job.txt > result; echo > /data/new", options=options)
    assert ran.code != 0, "what is bound read-only was written"
    assert ran.out == "/mine/out\n"
    assert (out / "result").read_text() == "42\n42\n"
    assert (out / "result").stat().st_uid == os.geteuid()
    assert [p.name for p in data.iterdir()] == ["job.txt"]


def test_what_is_to_be_bound_must_be_there(place: Place) -> None:
    ran = place.run_sif("true", options=("--bind", "/no/such:/data", "--bind", "/tmp:data"))
    assert ran.code == 2
    assert "/no/such can not be used" in ran.err
    assert "data is no absolute path" in ran.err


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_it_and_leaves_nothing(
    place: Place, engine: Engine, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    mark = f"TMPDIR={tmp_path}"
    marked = Place(place.work, place.environment | {"TMPDIR": str(tmp_path)})
    words = ("run", "tiny-1", "--as", "sif", "--", "sh", "-c", "echo up; sleep 1000")
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with marked.start(*words, **streams) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        process.send_signal(number)
        assert process.wait(20) == code
    assert processes_with(mark) == []
    assert list(tmp_path.iterdir()) == []
    found = engine.client.api.containers(all=True, filters={"label": OWNER})
    assert [c["Id"] for c in found if f":{process.pid}:" in c["Labels"][OWNER]] == []


def test_a_terminal_has_its_size_and_its_exit_code(place: Place) -> None:
    script = (
        'tty; until size=$(busybox stty size 2>&1) && [ "$size" = "33 77" ]; do sleep 0.1; done; echo $size; exit 6'
    )
    child, terminal = pty.fork()
    if child == 0:
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 77, 0, 0))
        os.chdir(place.work.folder)
        words = [str(COMMAND), "run", "tiny-1", "--as", "sif", "--", "sh", "-c", script]
        os.execve(COMMAND, words, place.environment)  # noqa: S606 - no shell is wanted
    shown = b""
    try:
        while chunk := os.read(terminal, 4096):
            shown += chunk
    except OSError:
        pass  # Linux says EIO where the other side of a terminal has closed
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 6, shown
    assert b"33 77" in shown


# -- what a host lacks, and images that are none -----------------------------------------------------------------


def test_neither_apptainer_nor_docker_names_both_cures(work: Workplace, bare_path: str) -> None:
    ran = Place(work, work.environment() | {"PATH": bare_path, "DOCKER_HOST": NO_ENGINE}).run_sif("true")
    assert ran.code == 3
    assert "it has no apptainer, and no Docker Engine answers" in ran.err
    assert "apt-get install apptainer" in ran.err
    assert "systemctl start docker" in ran.err


def lesser(own_path: str, folder: Path, before: str) -> str:
    """A PATH whose apptainer runs after something was done to its host."""
    program = Path(own_path.split(":", maxsplit=1)[0]) / "apptainer"
    words = f'#!/bin/sh\nexec unshare --mount sh -c \'{before}; exec "$0" "$@"\' {program} "$@"\n'
    (folder / "apptainer").write_text(words)
    (folder / "apptainer").chmod(0o755)
    return path_with(folder)


def test_a_host_without_fuse_is_told_so(work: Workplace, own_path: str, tmp_path: Path) -> None:
    nodes = {"null": "1 3", "zero": "1 5", "random": "1 8", "urandom": "1 9", "tty": "5 0"}
    steps = ["mount -t tmpfs dev /dev", *(f"mknod -m 666 /dev/{name} c {number}" for name, number in nodes.items())]
    steps += ["mkdir /dev/pts", "mount -t devpts -o ptmxmode=666 devpts /dev/pts", "ln -s pts/ptmx /dev/ptmx"]
    steps += [f"ln -s /proc/self/fd/{link}" for link in (" /dev/fd", "0 /dev/stdin", "1 /dev/stdout", "2 /dev/stderr")]
    path = lesser(own_path, tmp_path, "; ".join(steps))
    ran = Place(work, work.environment() | {"PATH": path}).run_sif("true")
    assert ran.code == 3, ran.err
    assert "modprobe fuse" in ran.err


def test_a_host_without_user_namespaces_is_told_so(work: Workplace, own_path: str, tmp_path: Path) -> None:
    limit = "/proc/sys/user/max_user_namespaces"
    before = (
        f'exec unshare --user --map-root-user --mount sh -c "echo 0 > {limit}; exec \\"\\$0\\" \\"\\$@\\"" "$0" "$@"'
    )
    ran = Place(work, work.environment() | {"PATH": lesser(own_path, tmp_path, before)}).run_sif("true")
    assert ran.code == 3, ran.err
    assert "user.max_user_namespaces" in ran.err


@pytest.mark.parametrize("harm", ["truncated", "altered", "no image at all"])
def test_a_damaged_image_is_named_before_it_is_started(place: Place, tmp_path: Path, harm: str) -> None:
    copy = place.work.copy(tmp_path / "copy") if place.work.recipes.exists() else copy_of(place.work, tmp_path / "copy")
    sif = copy.store.manifest(copy.store.references()[reference("tiny-1", "sif")]).layers[0]
    blob = copy.store.blob_path(sif.digest)
    data = bytearray(blob.read_bytes())
    blob.unlink()
    data[len(data) // 2] ^= 1
    blob.write_bytes({"truncated": data[:-4096], "altered": data, "no image at all": b"SIF?"}[harm])
    ran = Place(copy, place.environment).run_sif("true")
    assert ran.code == 4
    assert f"the blob {sif.digest} is damaged" in ran.err


def copy_of(work: Workplace, folder: Path) -> Workplace:
    work.recipes.mkdir(exist_ok=True)
    return work.copy(folder)


def test_what_apptainer_does_not_take_is_told_in_its_words(place: Place, tmp_path: Path) -> None:
    copy = copy_of(place.work, tmp_path / "copy")
    (tmp_path / "tiny-1.sif").write_bytes(b"no image" * 1000)
    keep_sif(copy.store, tmp_path / "tiny-1.sif", copy.store.references()["tiny-1"])
    ran = Place(copy, place.environment).run_sif("true")
    assert ran.code in (4, 255), ran.err
    assert "image format not recognized" in ran.err


# -- ordinary users -----------------------------------------------------------------------------------------------


def test_an_ordinary_user_owns_the_results_of_a_container(work: Workplace, folder: Path) -> None:
    mine = folder / "mine"
    mine.mkdir()
    (mine / "roots").write_text("root's before")
    os.chown(mine, 1234, 1234)
    shutil.copytree(work.folder / "images", folder / "images", copy_function=os.link)
    for path in (folder / "images", *(folder / "images").rglob("*")):
        os.chown(path, 1234, 1234)
    socket = Path("/var/run/docker.sock").stat().st_gid
    script = "mkdir -p deep/er; echo 42 > deep/er/result; id -u"
    done = subprocess.run(
        ["setpriv", "--reuid=1234", "--regid=1234", f"--groups={socket}", COMMAND, "run", "tiny-1", "--as", "oci",
         "--store", folder / "images", "--bind", f"{mine}:/job", "--", "sh", "-c", script],
        cwd=mine, env=work.environment() | {"HOME": str(folder)}, capture_output=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout == b"0\n"
    owners = {str(p.relative_to(mine)): p.stat().st_uid for p in mine.rglob("*")}
    assert owners == {"roots": 0, "deep": 1234, "deep/er": 1234, "deep/er/result": 1234}
    assert stat.S_IMODE((mine / "deep").stat().st_mode) == 0o755
