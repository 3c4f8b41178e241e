"""What is the Docker Engine's own about booting."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from builder.boot.docker.machine import DockerMachine
from builder.core.errors import WorkFailure
from builder.engine.engine import OWNER, Engine
from builder.engine.owner import own_name
from builder.store import oci
from builder.store.store import Store

pytestmark = pytest.mark.integration
ImageMaker = Callable[..., oci.Descriptor]


def containers(engine: Engine) -> list[str]:
    found = engine.client.api.containers(all=True, filters={"label": f"{OWNER}={own_name()}"})
    return [c["Id"] for c in found]


def test_closing_leaves_no_container(engine: Engine, make_image: ImageMaker, tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    before = containers(engine)
    machine = DockerMachine.boot(engine, store, make_image(store, "tiny-1"))
    assert len(containers(engine)) == len(before) + 1
    machine.close()
    machine.close()
    assert containers(engine) == before


def test_an_image_without_a_shell_does_not_boot_and_leaves_nothing(
    engine: Engine, make_image: ImageMaker, tmp_path: Path
) -> None:
    store = Store(tmp_path / "store")
    image = make_image(store, "broken-1", files={"bin/sh": b"no program"})
    before = containers(engine)
    with pytest.raises(WorkFailure, match="does not boot"):
        DockerMachine.boot(engine, store, image)
    assert containers(engine) == before


def test_a_machine_that_dies_under_a_command_says_so(engine: Engine, make_image: ImageMaker, tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    with DockerMachine.boot(engine, store, make_image(store, "tiny-1")) as machine:
        killer = threading.Timer(0.5, machine._container.kill)
        killer.start()
        began = time.monotonic()
        with pytest.raises(WorkFailure, match=r"the machine stopped while sleep ran: its container has exited"):
            machine.run(["sleep", "300"], time_limit=300)
        assert time.monotonic() - began < 200  # not the command's own time
        with pytest.raises(WorkFailure, match="the machine stopped"):
            machine.run(["true"], time_limit=30)


def test_a_machine_that_was_removed_says_so(engine: Engine, make_image: ImageMaker, tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    with DockerMachine.boot(engine, store, make_image(store, "tiny-1")) as machine:
        machine._container.remove(force=True)
        with pytest.raises(WorkFailure, match="its container is gone"):
            machine.run(["true"], time_limit=30)
        with pytest.raises(WorkFailure, match="its container is gone"):
            machine.get("/etc", tmp_path / "etc")


def test_two_machines_of_one_image_do_not_see_each_other(
    engine: Engine, make_image: ImageMaker, tmp_path: Path
) -> None:
    store = Store(tmp_path / "store")
    image = make_image(store, "tiny-1")
    with DockerMachine.boot(engine, store, image) as one, DockerMachine.boot(engine, store, image) as other:
        one.run(["touch", "/mark"], time_limit=30)
        assert one.run(["test", "-e", "/mark"], time_limit=30).exit_code == 0
        assert other.run(["test", "-e", "/mark"], time_limit=30).exit_code == 1
