"""The connection to the Docker Engine and what we ask of it."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import docker
import docker.errors
import requests
import urllib3.exceptions
from docker.models.containers import Container
from docker.types import Mount, Ulimit

from builder.core.digest import Digest
from builder.core.errors import HostFailure, SpaceFailure, TimeLimitFailure, WorkFailure
from builder.engine.archive import docker_archive
from builder.engine.owner import is_gone, own_name
from builder.store import oci
from builder.store.store import Store

log = logging.getLogger(__name__)
OWNER = "boss-builder.owner"
TAIL_LINES = 30
API_TIMEOUT = 600
NO_SPACE = "no space left on device"


@dataclass(frozen=True)
class Folder:
    """A folder of the host that a container sees."""

    host: Path
    guest: str
    writable: bool = False

    def as_mount(self) -> Mount:
        """Describe it to the SDK."""
        return Mount(self.guest, str(self.host.absolute()), type="bind", read_only=not self.writable)


@dataclass(frozen=True)
class Finished:
    """A container's program that ended: its exit code and the end of what it wrote."""

    exit_code: int
    tail: str = field(repr=False)


class Engine:
    """A Docker Engine that answers."""

    def __init__(self, client: docker.DockerClient) -> None:
        """Use a connected client; see `connect`."""
        self.client = client

    # -- images -------------------------------------------------------------------------------------------------

    def has_image(self, image_id: str) -> bool:
        """Whether the engine holds an image of this id (the digest of its configuration)."""
        try:
            self.client.images.get(image_id)
        except docker.errors.ImageNotFound:
            return False
        return True

    def load(self, store: Store, manifest: oci.Manifest, tag: str) -> str:
        """Make sure that the engine holds an image of the store, tagged; returns its id. Raises as `load_layers`."""
        if self.has_image(manifest.config.digest):
            return manifest.config.digest
        return self.load_layers(store, store.read(manifest.config.digest), manifest.layers, tag)

    def load_layers(self, store: Store, config: bytes, layers: Sequence[oci.Descriptor], tag: str) -> str:
        """Make sure that the engine holds the image of a configuration and its layers, tagged; returns its id.

        Raises WorkFailure where the engine does not take it, or takes it as something else.
        """
        image_id = Digest.of(config)
        if self.has_image(image_id):
            return image_id
        log.info("docker load: %s", tag)
        try:
            archive: Any = docker_archive(store, config, layers, tag)  # the SDK takes any iterable; its stubs do not
            self.client.images.load(archive)
        except (docker.errors.DockerException, requests.RequestException) as error:
            raise failure(f"the Docker Engine did not take the image {tag}: {error}") from error
        if not self.has_image(image_id):
            raise WorkFailure(f"the Docker Engine loaded {tag} under another id than {image_id}")
        return image_id

    def build(self, context: Path, *, time_limit: float) -> Iterator[dict[str, Any]]:
        """Run `docker build` on a context: classic builder, no network, no cache; yield its messages.

        `time_limit` is in seconds, for the whole and for the silence between two messages. A build whose client goes
        away is ended by the engine. Raises TimeLimitFailure where the limit passes.
        """
        deadline = time.monotonic() + time_limit
        messages: Iterator[dict[str, Any]] = self.client.api.build(
            path=str(context),
            nocache=True,
            rm=True,
            forcerm=True,
            network_mode="none",
            decode=True,
            timeout=max(1, math.ceil(time_limit)),
        )
        try:
            for message in messages:
                if time.monotonic() > deadline:
                    raise TimeLimitFailure(f"it did not end within {time_limit:g} s and was stopped")
                yield message
        except (urllib3.exceptions.ReadTimeoutError, requests.exceptions.ReadTimeout) as error:
            raise TimeLimitFailure(f"it said nothing for {time_limit:g} s and was stopped") from error
        except (urllib3.exceptions.HTTPError, requests.RequestException) as error:
            raise WorkFailure(f"the Docker Engine broke off: {error}") from error

    # -- what is ours ---------------------------------------------------------------------------------------------

    @staticmethod
    def ownership_label() -> str:
        """Give the Dockerfile instruction that marks every image of a build, finished or not, as this process's."""
        return f'LABEL {OWNER}="{own_name()}"'

    def remove_own_leftovers(self) -> None:
        """Remove the unnamed images of this process: those of builds that failed."""
        self._remove_images(lambda owner: owner == own_name())

    def _sweep(self) -> None:
        """Remove containers and unnamed images whose owner was killed."""
        for container in self.client.api.containers(all=True, filters={"label": OWNER}):
            if is_gone(container["Labels"].get(OWNER, "")):
                log.info("removing a container that a killed process left: %s", container["Id"][:12])
                try:
                    self.client.api.remove_container(container["Id"], force=True, v=True)
                except docker.errors.APIError:
                    continue
        self._remove_images(is_gone)

    def _remove_images(self, unwanted: Callable[[str], bool]) -> None:
        for image in self.client.api.images(filters={"label": OWNER, "dangling": True}):
            if unwanted((image["Labels"] or {}).get(OWNER, "")):
                log.info("removing an image that a build left: %s", image["Id"][:19])
                try:
                    self.client.images.remove(image["Id"], force=True)
                except docker.errors.APIError:
                    continue

    # -- containers ---------------------------------------------------------------------------------------------

    @contextmanager
    def container(
        self,
        image_id: str,
        command: Sequence[str],
        *,
        folders: Sequence[Folder] = (),
        environment: Mapping[str, str] | None = None,
        **options: Any,
    ) -> Iterator[Container]:
        """Give a container, created and not started, without a network; it is removed at the end, whatever happens.

        `options` go to the SDK as they are.
        """
        self._sweep()
        settings: dict[str, Any] = {
            "network_mode": "none",
            "labels": {OWNER: own_name()},
            # rpm and yum close every descriptor one by one: with the limit of 1e9 of some engines an install takes
            # hours. 4096, as Enterprise Linux had it: an engine without CAP_SYS_RESOURCE can not go above its own
            "ulimits": [Ulimit(name="nofile", soft=1024, hard=4096)],
            **options,
        }
        try:
            container = self.client.containers.create(
                image_id,
                list(command),
                mounts=[f.as_mount() for f in folders],
                environment=dict(environment or {}),
                **settings,
            )
        except docker.errors.APIError as error:
            raise WorkFailure(f"the Docker Engine made no container of {image_id}: {error.explanation}") from error
        try:
            yield container
        finally:
            remove(container)

    def run(
        self,
        image_id: str,
        command: Sequence[str],
        *,
        time_limit: float,
        folders: Sequence[Folder] = (),
        environment: Mapping[str, str] | None = None,
        log_file: Path | None = None,
        tmpfs: Mapping[str, str] | None = None,
    ) -> Finished:
        """Run a command in a container of its own, without a network, to its end.

        `time_limit` is in seconds; what the command writes goes to `log_file` as it comes. `tmpfs` are folders in
        memory, with their mount options.
        Raises WorkFailure where the limit passes or the engine fails; the exit code is the caller's to judge.
        """
        options = {"tmpfs": dict(tmpfs)} if tmpfs else {}
        with self.container(image_id, command, folders=folders, environment=environment, **options) as container:
            tail: list[bytes] = []
            reader = threading.Thread(target=_follow, args=(container, log_file, tail), daemon=True)
            try:
                container.start()
                reader.start()
                code = _wait(container, time_limit)
            except docker.errors.APIError as error:
                raise failure(f"the Docker Engine failed: {error.explanation}") from error
            reader.join(timeout=10)
            return Finished(code, b"".join(tail).decode("utf-8", "replace"))


def _wait(container: Container, time_limit: float) -> int:
    deadline = time.monotonic() + time_limit
    while True:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeLimitFailure(f"the command did not end within {time_limit:g} s and was stopped")
        try:
            return int(container.wait(timeout=min(left + 1, API_TIMEOUT))["StatusCode"])
        except (requests.exceptions.ConnectionError, requests.exceptions.ReadTimeout):
            container.reload()


def _follow(container: Container, log_file: Path | None, tail: list[bytes]) -> None:
    """Copy what a container writes to a file, and keep the last lines; ends when the container does."""
    lines: list[bytes] = []
    try:
        with ExitStack() as stack:
            sink = stack.enter_context(log_file.open("ab")) if log_file else None
            # the engine's log, not an attachment: it holds what a short program wrote before anybody listened
            stream = stack.enter_context(closing(container.logs(stream=True, follow=True)))
            for chunk in stream:
                if sink:
                    sink.write(chunk)
                    sink.flush()
                lines += chunk.splitlines(keepends=True)
                del lines[:-TAIL_LINES]
    except (docker.errors.APIError, requests.RequestException) as error:
        lines.append(f"(the output ends here: {error})\n".encode())
    tail += lines


def remove(container: Container) -> None:
    """Stop and remove a container; one that is gone already is fine."""
    try:
        container.remove(force=True, v=True)
    except docker.errors.NotFound:
        pass
    except docker.errors.APIError as error:
        if "already in progress" not in str(error.explanation):
            raise WorkFailure(f"the container {container.short_id} was not removed: {error.explanation}") from error


def failure(message: str, hint: str = "") -> WorkFailure:
    """Make the failure of some words of the engine: a SpaceFailure where they say that space ran out."""
    if NO_SPACE in message.lower() or NO_SPACE in hint.lower():
        return SpaceFailure(
            message, hint="\n".join(filter(None, (hint, "free some space where the engine keeps its images")))
        )
    return WorkFailure(message, hint=hint)


def connect() -> Engine:
    """Connect to the Docker Engine that the environment names, by default the local one.

    Raises HostFailure, with the cure, where none answers.
    """
    try:
        client = docker.from_env(timeout=API_TIMEOUT)
        client.ping()
    except docker.errors.DockerException as error:
        text = str(error)
        if "PermissionError" in text or "Permission denied" in text:
            hint = "add yourself to the group docker (sudo usermod -aG docker $USER) and log in again"
        else:
            hint = "start it: systemctl start docker, or dockerd where there is no systemd; or set DOCKER_HOST"
        raise HostFailure("no Docker Engine answers", hint=hint) from error
    return Engine(client)
