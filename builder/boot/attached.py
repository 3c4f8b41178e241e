"""A command in a booted image with the caller's own streams: what `run` gives a person or a pipe."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from types import FrameType
from typing import Any, BinaryIO, NoReturn

import docker.errors
import requests

from builder.boot.docker import HOSTNAME
from builder.boot.streams import Demultiplexer
from builder.core.errors import WorkFailure
from builder.engine.engine import OWNER, Engine
from builder.engine.owner import own_name
from builder.store import oci
from builder.store.store import Store

LOGIN_SHELL = 'shell=$(command -v bash) || shell=/bin/sh; exec "$shell" -l'
IN_LOGIN_SHELL = 'exec "$@"'
DEFAULT_ENGINE = "unix:///var/run/docker.sock"
CHUNK = 1 << 16


def words(command: Sequence[str]) -> list[str]:
    """Give the program to start: the command after a login shell has read its profile, or that shell itself."""
    if command:
        return ["/bin/sh", "-l", "-c", IN_LOGIN_SHELL, "sh", *command]
    return ["/bin/sh", "-c", LOGIN_SHELL]


def load(engine: Engine, store: Store, image: oci.Descriptor) -> str:
    """Make sure that the engine holds an image; returns its id there."""
    return engine.load(store, store.manifest(image), f"boss-builder-image:{image.checked_digest.hex[:12]}")


def terminal_client(environment: Mapping[str, str]) -> str | None:
    """Where the `docker` program is: it knows terminals (size, signals, raw mode) better than we could."""
    return shutil.which("docker", path=environment.get("PATH"))


def become_terminal_client(client: str, image_id: str, command: Sequence[str]) -> NoReturn:
    """Turn this process into `docker run` with the terminal; its exit code is the command's."""
    arguments = [client, "run", "--rm", "--interactive", "--tty", "--network", "none", "--hostname", HOSTNAME]
    arguments += ["--label", f"{OWNER}={own_name()}", "--user", "0"]
    arguments += ["--env", f"TERM={os.environ.get('TERM', 'dumb')}"]
    first, *rest = words(command)
    arguments += ["--entrypoint", first, image_id, *rest]
    # the client may be set to another engine than the one that holds the image now
    environment = {**os.environ, "DOCKER_HOST": os.environ.get("DOCKER_HOST", DEFAULT_ENGINE)}
    os.execve(client, arguments, environment)  # noqa: S606 - a list of arguments, no shell


def run_piped(engine: Engine, image_id: str, command: Sequence[str], stdin: BinaryIO | None) -> int:
    """Run a command with this process's stdout and stderr, and what `stdin` gives, as it comes; returns its exit code.

    Without `stdin` the command reads an end at once. Raises WorkFailure where the engine fails. The container is
    removed whatever happens, SIGTERM included.
    """
    first, *rest = words(command)
    with (
        _terminating(),
        engine.container(
            image_id, rest, entrypoint=[first], user="0", hostname=HOSTNAME, stdin_open=True, auto_remove=False
        ) as container,
    ):
        try:
            stream = container.attach_socket(params={"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1})
            connection: Any = getattr(stream, "_sock", stream)
            connection.settimeout(None)
            container.start()
            threading.Thread(target=_pump_in, args=(stdin, connection), daemon=True).start()
            _pump_out(connection)
            return int(container.wait()["StatusCode"])
        except docker.errors.APIError as error:
            raise WorkFailure(f"the Docker Engine did not run the command: {error.explanation}") from error
        except (requests.RequestException, ValueError) as error:
            raise WorkFailure(f"the Docker Engine failed: {error}") from error


@contextlib.contextmanager
def _terminating() -> Iterator[None]:
    """Let SIGTERM end the block as an exception, so that what it holds is released."""

    def end(number: int, _: FrameType | None) -> NoReturn:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _pump_in(source: BinaryIO | None, connection: Any) -> None:
    try:
        if source is not None:
            while chunk := os.read(source.fileno(), CHUNK):
                connection.sendall(chunk)
        connection.shutdown(1)  # SHUT_WR: the command reads an end
    except OSError:
        return  # the command ended without reading everything


def _pump_out(connection: Any) -> None:
    output = Demultiplexer()
    while chunk := connection.recv(CHUNK):
        output.feed(chunk)
        for data, target in ((output.stdout, sys.stdout), (output.stderr, sys.stderr)):
            if data:
                target.buffer.write(data)
                target.buffer.flush()
                data.clear()
