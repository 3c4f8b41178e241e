"""The Docker Engine: does it answer, and on which kernel do its containers run."""

from __future__ import annotations

import os
from contextlib import closing

import docker.errors
import requests

from builder.core.errors import Failure
from builder.doctor.model import EngineProbe, State
from builder.engine.engine import connect


def probe() -> EngineProbe:
    """Ask the engine that the environment names, by default the local one."""
    try:
        engine = connect()
    except Failure as failure:
        problem = failure.problems[0]
        return EngineProbe(state=State.MISSING, found=problem.message, cure=problem.hint)
    with closing(engine.client):
        try:
            info = engine.client.info()
        except (docker.errors.DockerException, requests.RequestException) as error:
            return EngineProbe(
                state=State.UNKNOWN, found=f"a Docker Engine answers, and says nothing of itself: {error}"
            )
    kernel = str(info.get("KernelVersion", ""))
    here = kernel == os.uname().release
    cgroup = str(info.get("CgroupVersion", ""))
    words = [f"Docker Engine {info.get('ServerVersion', 'of unknown version')}", str(info.get("Driver", ""))]
    words += [f"cgroup v{cgroup}"] if cgroup else []
    words += [] if here else [f"on another kernel than this host's: {kernel or 'unknown'}"]
    return EngineProbe(
        state=State.OK,
        found=", ".join(word for word in words if word),
        kernel=kernel,
        here=here,
        cgroup=cgroup,
        root=str(info.get("DockerRootDir", "")),
    )
