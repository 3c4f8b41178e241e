"""What becomes of a program that calls the page [vsyscall] in a container of the engine."""

from __future__ import annotations

import io
import json
import tarfile
from contextlib import closing, suppress

import docker.errors
import requests

from builder.core.errors import Failure, WorkFailure
from builder.doctor import vsyscall
from builder.doctor.model import EngineProbe, State, VsyscallProbe
from builder.engine.engine import Engine, connect

PROGRAM = "program"
LIMIT = 60.0
"""Seconds for a container of one small file to start and to end, on a host that does much else."""


def probe(engine: EngineProbe, here: VsyscallProbe) -> VsyscallProbe:
    """Give the answer for the engine's containers: this host's, `here`, where they run on its kernel, or none answers.

    Where they run on another kernel (`DOCKER_HOST`, the machine of a desktop), the program is tried in a container.
    """
    if engine.here or engine.state is State.MISSING:
        return here
    try:
        with closing(connect().client) as client:
            code = exit_code(Engine(client))
    except (Failure, docker.errors.DockerException, requests.RequestException, ValueError) as error:
        reason = str(error).partition("\n")[0]
        return vsyscall.unknown(f"it could not be tried in a container: {reason}")
    return vsyscall.judged("unknown", code)


def exit_code(engine: Engine) -> int:
    """Run the program in a container of an image that holds nothing else and is removed; gives its exit code.

    Raises WorkFailure, or what the SDK raises, where the engine does not do it.
    """
    archive = io.BytesIO()
    data = vsyscall.program()
    with tarfile.open(fileobj=archive, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        entry = tarfile.TarInfo(PROGRAM)
        entry.size, entry.mode = len(data), 0o755
        tar.addfile(entry, io.BytesIO(data))
    said = engine.client.api.import_image_from_data(archive.getvalue(), changes=[engine.ownership_label()])
    image = json.loads(said.splitlines()[-1]).get("status", "")
    if not image.startswith("sha256:"):
        raise WorkFailure(f"the engine did not take an image: {said.strip()}")
    try:
        return engine.run(image, [f"/{PROGRAM}"], time_limit=LIMIT).exit_code
    finally:
        with suppress(docker.errors.APIError):  # the next process removes it, by its label
            engine.client.images.remove(image, force=True)
