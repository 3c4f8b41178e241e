"""What every machine must do, whatever its shape: a later shape adds its name to the fixture `machine`."""

from __future__ import annotations

import contextlib
import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from multiprocessing import Pipe
from pathlib import Path

import pytest

from builder.boot.apptainer.machine import start_machine
from builder.boot.apptainer.program import PROGRAMS, find_apptainer, sif_path
from builder.boot.docker.machine import DockerMachine
from builder.boot.machine import Machine
from builder.boot.remote import RemoteMachine, serve
from builder.boot.shell.channel import FifoChannel, channel_folder
from builder.boot.shell.machine import ShellMachine
from builder.boot.vm.qemu import QemuMachine
from builder.core.errors import WorkFailure
from builder.engine.engine import Engine
from builder.store import oci
from builder.store.shapes import reference
from builder.store.store import Store
from tests.integration.apptainer import AGENT_TOOLS, host_apptainer, path_with, path_without, store_with_sif
from tests.integration.tiny_vm import CONFIG, tiny_disk

pytestmark = pytest.mark.integration
ImageMaker = Callable[..., oci.Descriptor]
LIMIT = 120
MEGABYTES_50 = b"0123456789abcde\n" * (50 * 65536)


@contextlib.contextmanager
def shell_machine(image_id: str) -> Iterator[ShellMachine]:
    """A machine that is nothing but the standard streams of a shell and a folder shared with it."""
    folder = channel_folder()
    name = f"boss-builder-shell-{os.getpid()}-{folder.name[-8:]}"
    words = ["docker", "run", "--interactive", "--rm", "--network", "none", "--name", name, "--user", "0"]
    words += ["--volume", f"{folder}:/channel", "--entrypoint", "/bin/sh", image_id]
    client = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert client.stdin
    assert client.stdout

    def stop() -> None:
        subprocess.run(["docker", "rm", "--force", name], check=False, capture_output=True, timeout=60)
        client.wait(60)

    def trouble() -> str:
        return "" if client.poll() is None else f"the machine stopped: its container ended with {client.returncode}"

    with client.stdin, client.stdout:
        channel = FifoChannel(
            os.dup(client.stdout.fileno()),
            os.dup(client.stdin.fileno()),
            folder,
            "/channel",
            trouble=trouble,
            stop=stop,
        )
    with ShellMachine(channel, environment={"PATH": "/bin", "PROMISE": "kept"}).start(60) as machine:
        yield machine


@contextlib.contextmanager
def sif_machine(engine: Engine, make_image: ImageMaker, folder: Path, way: str) -> Iterator[ShellMachine]:
    """An Apptainer image, started with an apptainer of this host, or with the builder image's in Docker."""
    contents = {"files": AGENT_TOOLS, "env": ("PROMISE=kept",)}
    store = store_with_sif(engine, make_image, folder, **contents)
    image = store.references()[reference("tiny-1", "sif")]
    with pytest.MonkeyPatch.context() as patch, contextlib.ExitStack() as resources:
        (folder / "bin").mkdir()
        own = way == "sif"
        patch.setenv(
            "PATH",
            path_with(host_apptainer(engine, folder / "bin")) if own else path_without(folder / "none", *PROGRAMS),
        )
        apptainer = resources.enter_context(find_apptainer(store, image))
        assert ("Docker" in apptainer.reason) is not own
        with start_machine(apptainer, sif_path(store, image), resources) as machine:
            yield machine


@pytest.fixture(scope="module", params=["docker", "remote", "shell", "sif", "sif in Docker", "vm"])
def machine(
    request: pytest.FixtureRequest, engine: Engine, make_image: ImageMaker, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Machine]:
    store = Store(tmp_path_factory.mktemp("store"))
    if request.param.startswith("sif"):
        with sif_machine(engine, make_image, tmp_path_factory.mktemp("sif"), request.param) as booted_sif:
            yield booted_sif
        return
    if request.param == "vm":
        folder = tmp_path_factory.mktemp("vm")
        environment = {"PROMISE": "kept"}
        with QemuMachine.boot(tiny_disk(), CONFIG, folder=folder, environment=environment) as booted_vm:
            yield booted_vm
        return
    if request.param == "shell":
        image = make_image(store, "tiny-1", files=AGENT_TOOLS)
        with shell_machine(engine.load(store, store.manifest(image), "boss-builder-image:conformance")) as booted_shell:
            yield booted_shell
        return
    image = make_image(store, "tiny-1", env=("PROMISE=kept",))
    with DockerMachine.boot(engine, store, image) as booted:
        if request.param == "docker":
            yield booted
            return
        near, far = Pipe()
        server = threading.Thread(target=serve, args=(booted, far))
        server.start()
        with RemoteMachine(near) as remote:
            yield remote
        server.join(LIMIT)
        assert not server.is_alive()


def processes(machine: Machine) -> str:
    listed = machine.run(["sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\000' ' '"], time_limit=LIMIT)
    return listed.stdout.decode()


def test_the_two_streams_and_the_exit_code_are_kept_apart(machine: Machine) -> None:
    result = machine.run(["sh", "-c", "echo out; echo err >&2; printf more; exit 3"], time_limit=LIMIT)
    assert (result.exit_code, result.stdout, result.stderr) == (3, b"out\nmore", b"err\n")


def test_no_shell_reads_the_arguments(machine: Machine) -> None:
    words = ["$HOME", "a b", "*", "'", '"', "; exit 9", "", "é"]
    assert machine.run(["printf", "%s|", *words], time_limit=LIMIT).stdout.decode() == "".join(f"{w}|" for w in words)


def test_bytes_pass_unchanged_both_ways(machine: Machine) -> None:
    data = bytes(range(256)) * 10
    assert machine.run(["cat"], stdin=data, time_limit=LIMIT).stdout == data


def test_a_command_without_input_reads_an_end_at_once(machine: Machine) -> None:
    assert machine.run(["cat"], time_limit=LIMIT).stdout == b""


def test_fifty_megabytes_pass_both_ways(machine: Machine) -> None:
    assert machine.run(["cat"], stdin=MEGABYTES_50, time_limit=LIMIT).stdout == MEGABYTES_50


def test_a_command_need_not_read_its_input(machine: Machine) -> None:
    assert machine.run(["true"], stdin=MEGABYTES_50, time_limit=LIMIT).exit_code == 0


def test_short_outputs_are_never_lost(machine: Machine) -> None:
    assert {machine.run(["echo", "x"], time_limit=LIMIT).stdout for _ in range(40)} == {b"x\n"}


def test_a_program_that_is_not_there_ends_with_127(machine: Machine) -> None:
    result = machine.run(["no-such-program"], time_limit=LIMIT)
    assert result.exit_code == 127
    assert b"no-such-program" in result.stderr


def test_a_program_that_can_not_be_executed_ends_with_126(machine: Machine) -> None:
    assert machine.run(["/etc/passwd"], time_limit=LIMIT).exit_code == 126


def test_a_signal_gives_128_and_its_number(machine: Machine) -> None:
    assert machine.run(["sh", "-c", "kill -TERM $$"], time_limit=LIMIT).exit_code == 143
    assert machine.run(["sh", "-c", "kill -KILL $$"], time_limit=LIMIT).exit_code == 137


def test_the_environment_is_the_images_own_and_what_is_added(machine: Machine) -> None:
    result = machine.run(["sh", "-c", 'echo "$PROMISE,$ADDED"'], environment={"ADDED": "a b"}, time_limit=LIMIT)
    assert result.stdout == b"kept,a b\n"


def test_commands_run_as_root_or_as_the_user_named(machine: Machine) -> None:
    assert machine.run(["id", "-u"], time_limit=LIMIT).stdout == b"0\n"
    assert machine.run(["id", "-u"], user="nobody", time_limit=LIMIT).stdout == b"65534\n"
    with pytest.raises(WorkFailure, match="no-such-user"):
        machine.run(["id"], user="no-such-user", time_limit=LIMIT)


@pytest.mark.parametrize(
    "script",
    [
        "sleep 4242",
        "sleep 4242 & setsid sleep 4242 & sleep 4242",
        'trap "" TERM INT HUP; sleep 4242; sleep 4242',
        "exec >&- 2>&-; sleep 4242",
        "while :; do echo y; done",
    ],
    ids=["waits", "has children", "ignores signals", "is silent", "never stops writing"],
)
def test_a_command_over_its_limit_is_killed_with_all_it_started(machine: Machine, script: str) -> None:
    began = time.monotonic()
    with pytest.raises(WorkFailure, match=r"did not end within 1 s and was killed"):
        machine.run(["sh", "-c", script], time_limit=1)
    assert time.monotonic() - began < 30
    assert "4242" not in processes(machine)
    assert "echo y" not in processes(machine)
    assert machine.run(["true"], time_limit=LIMIT).exit_code == 0


def test_a_process_left_in_the_background_does_not_hold_the_result_back(machine: Machine) -> None:
    began = time.monotonic()
    assert machine.run(["sh", "-c", "sleep 300 & echo here"], time_limit=LIMIT).stdout == b"here\n"
    assert time.monotonic() - began < 200


def test_a_tree_goes_in_and_comes_out_with_its_modes(machine: Machine, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "inner").mkdir(parents=True)
    (tree / "inner" / "program").write_bytes(b"#!/bin/sh\necho ran\n")
    (tree / "inner" / "program").chmod(0o750)
    (tree / "data é").write_bytes(bytes(range(256)))
    (tree / "data é").chmod(0o604)
    (tree / "link").symlink_to("inner/program")
    guest = f"/put-{os.getpid()}/by/test"
    machine.put(tree, guest)
    assert machine.run([f"{guest}/inner/program"], time_limit=LIMIT).stdout == b"ran\n"
    assert machine.run(["stat", "-c", "%u:%g %a", f"{guest}/data é"], time_limit=LIMIT).stdout == b"0:0 604\n"
    machine.get(guest, tmp_path / "back")
    assert (tmp_path / "back" / "data é").read_bytes() == bytes(range(256))
    assert (tmp_path / "back" / "data é").stat().st_mode & 0o777 == 0o604
    assert (tmp_path / "back" / "inner" / "program").stat().st_mode & 0o777 == 0o750
    assert (tmp_path / "back" / "link").readlink() == Path("inner/program")


def test_a_file_comes_out_under_the_name_asked_for(machine: Machine, tmp_path: Path) -> None:
    machine.get("/etc/passwd", tmp_path / "users")
    assert (tmp_path / "users").read_bytes().startswith(b"root:")


def test_what_is_not_there_can_not_be_fetched(machine: Machine, tmp_path: Path) -> None:
    with pytest.raises(WorkFailure, match="/no/such/file is not in the machine"):
        machine.get("/no/such/file", tmp_path / "x")
    assert not list(tmp_path.iterdir())


def test_a_link_that_leads_out_is_refused(machine: Machine, tmp_path: Path) -> None:
    machine.run(
        ["sh", "-c", "mkdir -p /evil && cat >/dev/null; busybox ln -sf ../../../etc /evil/out"], time_limit=LIMIT
    )
    with pytest.raises(WorkFailure, match="can not be copied out"):
        machine.get("/evil", tmp_path / "evil")
    assert not (tmp_path / "evil").exists()


def test_nothing_is_written_over_on_the_host(machine: Machine, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("keep")
    with pytest.raises(WorkFailure, match="is there already"):
        machine.get("/etc/passwd", tmp_path / "mine")
    assert (tmp_path / "mine").read_text() == "keep"


def test_there_is_no_network(machine: Machine) -> None:
    up = machine.run(["sh", "-c", "cat /proc/net/route; cat /proc/net/arp"], time_limit=LIMIT).stdout.decode()
    assert [line.split()[0] for line in up.splitlines() if line.split()[0] not in {"Iface", "IP"}] == []
    assert "IP address" in up
