"""A command in a container with the caller's own streams."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO

import click
import docker.errors
import requests

from builder.boot.binds import Bind
from builder.boot.docker.machine import HOSTNAME
from builder.boot.docker.owners import Identity, new_paths, roots_files
from builder.boot.docker.streams import Demultiplexer
from builder.boot.session import Session, terminating
from builder.core.errors import WorkFailure
from builder.engine.engine import OWNER, Engine, Folder
from builder.engine.owner import own_name

DEFAULT_ENGINE = "unix:///var/run/docker.sock"
CHUNK = 1 << 16
AT_ONCE = 1000
GIVE_LIMIT = 600.0


@dataclass(frozen=True)
class Container:
    """What a container is made of, besides what all of ours have: no network, root, a host name."""

    image_id: str
    words: tuple[str, ...]
    folders: tuple[Folder, ...] = ()
    working_folder: str = "/"
    devices: tuple[str, ...] = ()
    security: tuple[str, ...] = ()
    variables: dict[str, str] = field(default_factory=dict)

    def options(self) -> dict[str, Any]:
        """Give the SDK's options."""
        first, *_ = self.words
        return {
            "entrypoint": [first],
            "user": "0",
            "hostname": HOSTNAME,
            "working_dir": self.working_folder,
            "devices": list(self.devices),
            "security_opt": list(self.security),
        }

    def client_words(self, client: str) -> list[str]:
        """Give the command of the `docker` program that runs it on a terminal."""
        words = [client, "run", "--rm", "--interactive", "--tty", "--network", "none", "--hostname", HOSTNAME]
        words += ["--label", f"{OWNER}={own_name()}", "--user", "0"]
        words += ["--env", f"TERM={os.environ.get('TERM', 'dumb')}"]
        words += [f"--mount={Bind(f.host, f.guest, f.writable).mount_option()}" for f in self.folders]
        words += [f"--device={device}" for device in self.devices]
        words += [f"--security-opt={option}" for option in self.security]
        words += [f"--workdir={self.working_folder}"]
        first, *rest = self.words
        return [*words, "--entrypoint", first, self.image_id, *rest]


class ContainerSession(Session):
    """A command in a container of the Docker Engine."""

    def __init__(self, engine: Engine, container: Container, *, binds: Sequence[Bind] = ()) -> None:
        """Take what the container is made of; in the folders `binds`, what root writes is given to the caller."""
        self._engine, self._container, self._binds = engine, container, tuple(binds)

    def run_piped(self, stdin: BinaryIO | None) -> int:
        """See `Session.run_piped`. Raises WorkFailure where the engine fails."""
        before = self._roots_files()
        with terminating():
            try:
                return self._run_piped(stdin)
            finally:
                self._give_back(before)

    def _run_piped(self, stdin: BinaryIO | None) -> int:
        made = self._container
        with self._engine.container(
            made.image_id,
            made.words[1:],
            folders=made.folders,
            environment=made.variables,
            stdin_open=True,
            auto_remove=False,
            **made.options(),
        ) as container:
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

    def run_on_terminal(self) -> int:
        """Become `docker run`, which knows terminals (size, signals, raw mode) best; see `Session.run_on_terminal`."""
        client = shutil.which("docker")
        if client is None:
            click.echo("the program docker is not installed: lines are sent as they are, without a terminal", err=True)
            return self.run_piped(sys.stdin.buffer)
        words = self._container.client_words(client)
        # the client may be set to another engine than the one that holds the image now
        environment = {**os.environ, "DOCKER_HOST": os.environ.get("DOCKER_HOST", DEFAULT_ENGINE)}
        before = self._roots_files()
        if before is None:
            os.execve(client, words, environment)  # noqa: S606 - a list of arguments, no shell
        with terminating():
            try:
                return subprocess.run(words, env=environment, check=False).returncode
            finally:
                self._give_back(before)

    def _roots_files(self) -> dict[Identity, str] | None:
        """Note what is root's already; None where nothing is to be given back: the caller is root, or binds nothing."""
        return None if os.geteuid() == 0 or not self._binds else roots_files(self._binds)

    def _give_back(self, before: dict[Identity, str] | None) -> None:
        """Give the caller what the container's root has written into the caller's folders."""
        if before is None:
            return
        paths = new_paths(before, roots_files(self._binds))
        owner = f"{os.geteuid()}:{os.getegid()}"
        folders = [Folder(bind.host, bind.guest, writable=True) for bind in self._binds if bind.writable]
        for start in range(0, len(paths), AT_ONCE):
            words = ["chown", "-R", "-h", owner, *paths[start : start + AT_ONCE]]
            try:
                done = self._engine.run(self._container.image_id, words, time_limit=GIVE_LIMIT, folders=folders)
                problem = done.tail.strip() if done.exit_code else ""
            except WorkFailure as failure:
                problem = str(failure)
            if problem:
                click.echo(f"some results still belong to root: {problem}", err=True)
                return


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
