"""An Apptainer image started: contained, without a network, root inside, with a scratch layer over its files.

Apptainer is the host's own or, where the host has none, that of the builder image in a Docker container.
Source: apptainer 1.4, `apptainer exec --help`; user guide, "Fakeroot feature" and "Bind paths and mounts".
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import docker.errors
import requests
from docker import models

from builder.boot.binds import Bind, working_folder
from builder.boot.docker.machine import HOSTNAME
from builder.boot.docker.session import Container, ContainerSession
from builder.boot.session import ProcessSession, Session, end_process
from builder.core.errors import Failure, HostFailure, WorkFailure
from builder.core.process import log, quoted, run
from builder.engine.engine import Engine, Folder, connect
from builder.store import oci
from builder.store.shapes import SIF_LAYER
from builder.store.store import Store
from builder.toolbox import image as builder_image

PROGRAMS = ("apptainer", "singularity")
BUILDER_ANNOTATION = "boss-builder.builder-image"
PROBE_LIMIT = 120.0
STOP_LIMIT = 5.0
CONTAINED = ("--no-home", "--writable-tmpfs", "--no-mount", "bind-paths", "--cleanenv")
ON_HOST = ("--containall", "--hostname", HOSTNAME, "--net", "--network", "none", *CONTAINED)
IN_CONTAINER = ("--contain", "--ipc", *CONTAINED)
"""A container has its own processes, name and network already; and no /proc of its own can be mounted in it."""
EVERY_USER = ("--fakeroot",)
"""Root and all other users are there, as far as the caller has subordinate ids (subuid(5))."""
ONLY_ROOT = ("--fakeroot", "--ignore-subuid", "--ignore-fakeroot-command")
ONLY_ROOT_FOR_ROOT = ("--userns",)
SUBORDINATE = 'echo root:100000:65536 | tee /etc/subgid > /etc/subuid; exec "$@"'
"""Gives the container's root the subordinate ids that `--fakeroot` needs."""
FUSE = "/dev/fuse"
KILLED = 137
ASK_AGAIN = 0.25
"""Seconds for which the engine's word that a container runs is believed."""
GUEST_FILES = "/boss-builder"
"""Where a container has the image and the folders that are meant for it."""
NO_APPTAINER = """\
install apptainer: apt-get install apptainer, dnf install apptainer; elsewhere as https://apptainer.org says
or start a Docker Engine, where the builder image's own can run: systemctl start docker, or dockerd"""
NO_NAMESPACES = """\
apptainer needs them; as root: sysctl -w user.max_user_namespaces=15000
and where the host has these: kernel.unprivileged_userns_clone=1, kernel.apparmor_restrict_unprivileged_userns=0"""
NO_FUSE = "apptainer mounts images with it; as root: modprobe fuse"


class Running(ABC):
    """An apptainer that was started in the background."""

    @abstractmethod
    def exit_code(self) -> int | None:
        """Give the exit code, where it has ended."""

    @abstractmethod
    def stop(self) -> None:
        """End it and all that runs in the image; a second call does nothing."""


class Apptainer(ABC):
    """A way to run apptainer, and why it is this one."""

    reason: str

    @abstractmethod
    def session(self, image: Path, words: Sequence[str], binds: Sequence[Bind]) -> Session:
        """Give a command in the image, as something to be run with this process's own streams."""

    @abstractmethod
    def start(self, image: Path, words: Sequence[str], folder: Bind) -> Running:
        """Start a command in the image whose streams are the pipes `shell.in` and `shell.out` of a folder.

        What apptainer says goes to the folder's file `shell.err`.
        """

    @abstractmethod
    def close(self) -> None:
        """Release what the way holds."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def find_apptainer(store: Store, image: oci.Descriptor) -> Apptainer:
    """Find a way to run apptainer on this host, for an image of the store.

    Raises HostFailure, with the cures, where there is neither apptainer nor a Docker Engine.
    """
    for name in PROGRAMS:
        if program := shutil.which(name):
            return HostApptainer(program)
    try:
        engine = connect()
    except HostFailure as failure:
        raise HostFailure(
            "this host can not start an Apptainer image: it has no apptainer, and no Docker Engine answers",
            hint=NO_APPTAINER,
        ) from failure
    try:
        image_id = _builder_image(engine, store, image)
    except BaseException:
        engine.client.close()
        raise
    return DockerApptainer(engine, image_id)


def sif_path(store: Store, image: oci.Descriptor) -> Path:
    """Path of the SIF of an image of the store. Raises WorkFailure where it is missing or damaged."""
    manifest = store.manifest(image)
    layer = next((layer for layer in manifest.layers if layer.media_type == SIF_LAYER), None)
    if layer is None:
        raise WorkFailure(f"{image.digest} is no Apptainer image: it has no layer of the type {SIF_LAYER}")
    return store.checked_path(layer.digest)


def _builder_image(engine: Engine, store: Store, image: oci.Descriptor) -> str:
    """Load the builder image that made an image, or the one of this version; returns its id in the engine."""
    made_with = store.manifest(image).annotations.get(BUILDER_ANNOTATION, "")
    present = store.find(builder_image.reference())
    digests = [d for d in (made_with, present.digest if present else "") if d and store.has(d)]
    if not digests:
        raise HostFailure(
            "this host can not start an Apptainer image: it has no apptainer, and the store has no builder image",
            hint="install apptainer: apt-get install apptainer, dnf install apptainer",
        )
    digest = digests[0]
    described = oci.Descriptor(media_type=oci.MANIFEST, digest=digest, size=store.blob_path(digest).stat().st_size)
    return engine.load(store, store.manifest(described), f"boss-builder/builder:{described.checked_digest.hex[:12]}")


def exec_words(
    program: Sequence[str], image: Path, words: Sequence[str], binds: Sequence[Bind], options: Sequence[str]
) -> list[str]:
    """Spell the call of apptainer that runs a command in an image."""
    mounts = [f"--mount={bind.mount_option()}" for bind in binds]
    return [*program, "--silent", "exec", *options, *mounts, str(image), *words]


def failure(said: str) -> Failure:
    """Say why an image did not start, from what apptainer said."""
    fatal = [line for line in said.splitlines() if "FATAL" in line or "ERROR" in line]
    text = " ".join((fatal[-1] if fatal else said.strip() or "it says nothing").split())
    lower = text.lower()
    if "user namespace" in lower or "unshare" in lower:
        return HostFailure(f"this host lets apptainer make no user namespace: {text}", hint=NO_NAMESPACES)
    if "fuse" in lower and ("not found" in lower or "no such" in lower or "permission" in lower):
        return HostFailure(f"apptainer can not mount the image: {text}", hint=NO_FUSE)
    return WorkFailure(f"the Apptainer image does not start: {text}")


# -- the host's own -----------------------------------------------------------------------------------------------


class HostApptainer(Apptainer):
    """The apptainer (or singularity) of this host."""

    def __init__(self, program: str) -> None:
        """Use a program. The caller's own settings for it (APPTAINER_BIND, ...) are kept from it."""
        self.reason = f"with {program}"
        settings = [name for name in os.environ if name.startswith(("APPTAINER", "SINGULARITY"))]
        self._program = ["env", *(f"--unset={name}" for name in settings), program] if settings else [program]
        self._users: tuple[str, ...] | None = None

    def session(self, image: Path, words: Sequence[str], binds: Sequence[Bind]) -> Session:
        """See `Apptainer.session`."""
        options = (*self._find_users(image), "--pwd", working_folder(binds))
        return ProcessSession(self._words(image, words, binds, options))

    def start(self, image: Path, words: Sequence[str], folder: Bind) -> Running:
        """See `Apptainer.start`."""
        temporary = folder.host / "tmp"
        temporary.mkdir()
        settings = [f"{name}_TMPDIR={temporary}" for name in ("APPTAINER", "SINGULARITY")]
        command = ["env", *settings, *self._words(image, words, [folder], self._find_users(image))]
        log.info("$ %s", quoted(command))
        with (
            (folder.host / "shell.in").open("rb") as stdin,
            (folder.host / "shell.out").open("wb") as stdout,
            (folder.host / "shell.err").open("wb") as stderr,
        ):
            process = subprocess.Popen(command, stdin=stdin, stdout=stdout, stderr=stderr, start_new_session=True)
        return _HostProcess(process, settings[0])

    def close(self) -> None:
        """There is nothing to release."""

    def _words(self, image: Path, words: Sequence[str], binds: Sequence[Bind], options: Sequence[str]) -> list[str]:
        return exec_words(self._program, image, words, binds, (*ON_HOST, *options))

    def _find_users(self, image: Path) -> tuple[str, ...]:
        """Find out by trying which users the image can have: all, where the caller has subordinate ids, or only root.

        Raises HostFailure or WorkFailure where the image can not be started at all.
        """
        if self._users is None:
            said = ""
            for users in (EVERY_USER, ONLY_ROOT_FOR_ROOT if os.geteuid() == 0 else ONLY_ROOT):
                words = self._words(image, ["/bin/sh", "-c", ":"], (), users)
                done = run(words, time_limit=PROBE_LIMIT, check=False)
                if done.returncode == 0:
                    self._users = users
                    return users
                said = done.stderr
            raise failure(said)
        return self._users


class _HostProcess(Running):
    def __init__(self, process: subprocess.Popen[bytes], mark: str) -> None:
        self._process, self._mark = process, mark.encode()

    def exit_code(self) -> int | None:
        return self._process.poll()

    def stop(self) -> None:
        """Ask apptainer, which ends what mounts the image; where it does not, kill all that carries its settings."""
        end_process(self._process, STOP_LIMIT)
        for path in Path("/proc").glob("[0-9]*/environ"):
            with contextlib.suppress(OSError):
                if self._mark in path.read_bytes().split(b"\0"):
                    os.kill(int(path.parent.name), signal.SIGKILL)


# -- in Docker ----------------------------------------------------------------------------------------------------


class DockerApptainer(Apptainer):
    """The builder image's apptainer, in a container that may make user namespaces and mount with FUSE."""

    def __init__(self, engine: Engine, image_id: str) -> None:
        """Use an engine, which is closed at the end, and the builder image's id there."""
        self.reason = "with the builder image's apptainer in Docker, as this host has no apptainer"
        self._engine, self._image_id = engine, image_id

    def session(self, image: Path, words: Sequence[str], binds: Sequence[Bind]) -> Session:
        """See `Apptainer.session`."""
        held = [Bind(bind.host, f"{GUEST_FILES}/bind/{n}", bind.writable) for n, bind in enumerate(binds)]
        inner = [Bind(Path(outer.guest), bind.guest, bind.writable) for outer, bind in zip(held, binds, strict=True)]
        command = self._words(words, inner, ["--pwd", working_folder(binds)])
        return ContainerSession(self._engine, self._container(image, command, held), binds=held)

    def start(self, image: Path, words: Sequence[str], folder: Bind) -> Running:
        """See `Apptainer.start`."""
        pipes = Bind(folder.host, f"{GUEST_FILES}/pipes")
        inner = Bind(Path(pipes.guest), folder.guest)
        piped = 'cd "$0" && exec "$@" < shell.in > shell.out 2> shell.err'
        command = ["/bin/sh", "-c", piped, pipes.guest, *self._words(words, [inner], [])]
        made = self._container(image, command, [pipes])
        resources = contextlib.ExitStack()
        try:
            container = resources.enter_context(
                self._engine.container(made.image_id, made.words[1:], folders=made.folders, **made.options())
            )
            container.start()
        except docker.errors.APIError as error:
            resources.close()
            raise self._failure(str(error.explanation)) from error
        except WorkFailure as problem:
            resources.close()
            raise self._failure(str(problem)) from problem
        except BaseException:
            resources.close()
            raise
        return _ContainerProcess(container, resources)

    def close(self) -> None:
        """Close the connection to the engine."""
        self._engine.client.close()

    @staticmethod
    def _failure(text: str) -> Failure:
        if FUSE in text:
            return HostFailure(f"this host has no {FUSE}: {text}", hint=NO_FUSE)
        return WorkFailure(f"the Docker Engine did not start apptainer: {text}")

    @staticmethod
    def _words(words: Sequence[str], binds: Sequence[Bind], options: Sequence[str]) -> list[str]:
        image = Path(f"{GUEST_FILES}/image.sif")
        command = exec_words(["apptainer"], image, words, binds, (*IN_CONTAINER, *EVERY_USER, *options))
        return ["/bin/sh", "-c", SUBORDINATE, "sh", *command]

    def _container(self, image: Path, words: Sequence[str], binds: Sequence[Bind]) -> Container:
        held = [Folder(bind.host, bind.guest, writable=bind.writable) for bind in binds]
        return Container(
            image_id=self._image_id,
            words=tuple(words),
            folders=(Folder(image, f"{GUEST_FILES}/image.sif"), *held),
            devices=(FUSE,),
            security=("seccomp=unconfined",),
        )


class _ContainerProcess(Running):
    def __init__(self, container: models.containers.Container, resources: contextlib.ExitStack) -> None:
        self._container, self._resources = container, resources
        self._code: int | None = None
        self._asked = 0.0

    def exit_code(self) -> int | None:
        if self._code is None and time.monotonic() - self._asked > ASK_AGAIN:
            self._asked = time.monotonic()
            self._code = self._ask()
        return self._code

    def _ask(self) -> int | None:
        try:
            self._container.reload()
        except docker.errors.NotFound:
            return KILLED
        except (docker.errors.APIError, requests.RequestException):
            return None  # the engine is busy, or restarts: nothing is known
        if self._container.status in ("created", "running"):
            return None
        return int(self._container.attrs["State"]["ExitCode"])

    def stop(self) -> None:
        self._resources.close()
