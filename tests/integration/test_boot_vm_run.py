"""`run --as vm`: a user's files go in and come back, whatever becomes of the command."""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import struct
import subprocess
import termios
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from builder.core.digest import Digest
from builder.store import oci
from builder.store.shapes import VM_CONFIG, VM_DISK, VM_TYPE, reference
from tests.integration.apptainer import path_without, processes_with
from tests.integration.spine import COMMAND, Ran, Workplace
from tests.integration.tiny_vm import CONFIG, tiny_disk

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("vm")]


@pytest.fixture(scope="module")
def place(make_image, tmp_path_factory: pytest.TempPathFactory) -> Workplace:
    work = Workplace(tmp_path_factory.mktemp("place"))
    image = make_image(work.store, "tiny-1", env=("PROMISE=kept",))
    keep_disk(work, tiny_disk(), image)
    return work


def keep_disk(work: Workplace, disk: Path, image: oci.Descriptor) -> None:
    store = work.store
    digest, size = store.put_copy(disk)
    config = msgspec.json.encode(CONFIG)
    store.put_manifest(
        oci.Manifest(
            config=oci.Descriptor(media_type=VM_CONFIG, digest=store.put(config), size=len(config)),
            layers=(oci.Descriptor(media_type=VM_DISK, digest=digest, size=size),),
            artifact_type=VM_TYPE,
            subject=oci.Descriptor(media_type=image.media_type, digest=image.digest, size=image.size),
        ),
        reference("tiny-1", "vm"),
    )


def run(place: Workplace, *words: str, stdin: bytes = b"", **changes: str) -> Ran:
    done = subprocess.run(
        [COMMAND, "run", "tiny-1", "--as", "vm", *words],
        cwd=place.folder,
        env=place.environment() | changes,
        input=stdin,
        capture_output=True,
        timeout=300,
        check=False,
    )
    return Ran(done.returncode, done.stdout.decode(), done.stderr.decode())


@pytest.fixture
def mine(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "my work"
    (folder / "inner").mkdir(parents=True)
    (folder / "job.txt").write_text("42\n")
    (folder / "inner" / "old").write_text("old\n")
    return folder


def test_a_command_has_its_streams_its_exit_code_and_the_images_environment(place: Workplace) -> None:
    ran = run(place, "--", "sh", "-c", "cat; echo $PROMISE; pwd; id -u; echo err >&2; exit 7", stdin=b"in\n")
    assert (ran.code, ran.out) == (7, "in\nkept\n/\n0\n"), ran.err
    lines = ran.err.splitlines()
    assert lines[0].startswith("booting tiny-1 (sha256:")
    assert " as vm: as asked for" in lines[0]
    assert any(line.startswith("the virtual machine boots: done in") for line in lines)
    assert lines[-1] == "err"


def test_results_come_back_though_the_command_fails_and_nothing_else_changes(
    place: Workplace, mine: Path, tmp_path: Path
) -> None:
    (tmp_path / "input").mkdir()
    (tmp_path / "input" / "data").write_text("1\n2\n")
    inode = (mine / "job.txt").stat().st_ino
    script = "pwd; cat job.txt /data/data > result; echo new > inner/old; rm job.txt; echo > /data/more; exit 3"
    ran = run(place, "--bind", f"{mine}:/job", "--bind", f"{tmp_path / 'input'}:/data:ro", "--", "sh", "-c", script)
    assert (ran.code, ran.out) == (3, "/job\n"), ran.err
    assert (mine / "result").read_text() == "42\n1\n2\n"
    assert (mine / "inner" / "old").read_text() == "new\n"
    assert (mine / "job.txt").stat().st_ino == inode, "what the command removes stays"
    assert [p.name for p in (tmp_path / "input").iterdir()] == ["data"]
    assert sorted(p.name for p in mine.iterdir()) == ["inner", "job.txt", "result"]


def test_a_file_alone_can_be_bound(place: Workplace, mine: Path) -> None:
    ran = run(place, "--bind", f"{mine / 'job.txt'}:/tmp/job", "--", "sh", "-c", "echo 43 >> /tmp/job")
    assert ran.code == 0, ran.err
    assert (mine / "job.txt").read_text() == "42\n43\n"


def test_a_terminal_has_its_size_its_exit_code_and_the_results(place: Workplace, mine: Path) -> None:
    script = "busybox stty size; read -r line; echo got $line > typed; exit 6"
    child, terminal = pty.fork()
    if child == 0:
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 33, 77, 0, 0))
        os.chdir(place.folder)
        words = [str(COMMAND), "run", "tiny-1", "--as", "vm", "--bind", f"{mine}:/job", "--", "sh", "-c", script]
        os.execve(COMMAND, words, place.environment())  # noqa: S606 - no shell is wanted
    shown, typed = b"", False
    try:
        while chunk := os.read(terminal, 4096):
            shown += chunk
            if b"33 77" in shown and not typed:  # it may come in pieces
                typed = bool(os.write(terminal, b"by hand\n"))
    except OSError:
        pass  # Linux says EIO where the other side of a terminal has closed
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 6, shown
    assert (mine / "typed").read_text() == "got by hand\n"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_what_was_written_before_an_interrupt_comes_back_and_nothing_is_left(
    place: Workplace, mine: Path, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    with subprocess.Popen(
        [COMMAND, "run", "tiny-1", "--as", "vm", "--bind", f"{mine}:/job", "--", "sh", "-c",
         "echo half > result; echo up; sleep 1000"],
        cwd=place.folder, env=place.environment() | {"TMPDIR": str(scratch)}, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == b"up\n"
        process.send_signal(number)
        said = process.stderr.read().decode()
        assert process.wait(60) == code, said
    assert (mine / "result").read_text() == "half\n", said
    assert processes_with(f"TMPDIR={scratch}") == []
    assert list(scratch.iterdir()) == []


def test_results_that_can_not_be_written_are_kept_and_named(place: Workplace, mine: Path, tmp_path: Path) -> None:
    ran = run(
        place, "--bind", f"{mine}:/job", "--", "sh", "-c", "rm -r inner; echo a file > inner; echo > good",
        TMPDIR=str(tmp_path),
    )  # fmt: skip
    assert ran.code == 4
    assert "inner: a folder of this name is there" in ran.err
    assert (mine / "good").exists()
    (kept,) = tmp_path.glob("boss-builder-results-*.tar")
    assert str(kept) in ran.err


def test_a_damaged_disk_is_named_before_it_is_started(place: Workplace, tmp_path: Path) -> None:
    place.recipes.mkdir(exist_ok=True)
    copy = place.copy(tmp_path / "copy")
    disk = copy.store.manifest(copy.store.references()[reference("tiny-1", "vm")]).layers[0]
    data = copy.store.blob_path(disk.digest).read_bytes()
    copy.store.blob_path(disk.digest).unlink()
    copy.store.blob_path(disk.digest).write_bytes(data[: len(data) // 2])
    ran = run(copy, "--", "true")
    assert ran.code == 4
    assert f"the blob {disk.digest} is damaged" in ran.err
    assert Digest.of(data) == disk.digest


def test_a_host_without_qemu_is_told_so(place: Workplace, tmp_path: Path) -> None:
    path = path_without(tmp_path / "bin", "qemu-system-x86_64")
    ran = run(place, "--", "true", PATH=path)
    assert ran.code == 3
    assert "apt-get install qemu-system-x86" in ran.err
