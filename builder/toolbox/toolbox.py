"""Run one of the programs of `builder.inside` in the builder image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from builder import inside
from builder.core import documents
from builder.core.digest import Digest
from builder.core.errors import Failure, InputFailure, Problem, SpaceFailure, WorkFailure
from builder.core.progress import Progress
from builder.engine.engine import NO_SPACE, Engine, Folder
from builder.store import oci
from builder.store.store import Store
from builder.toolbox import image

T = TypeVar("T")
PROGRAMS = Path(inside.__file__).parent
GUEST_PROGRAMS = "/boss-builder/builder/inside"
GUEST_WORK = "/boss-builder/work"


class _Refusal(msgspec.Struct, frozen=True):
    """What a program answers that found its input at fault."""

    message: str
    hint: str = ""


class _Answer(msgspec.Struct, frozen=True):
    result: msgspec.Raw = msgspec.Raw()
    refused: tuple[_Refusal, ...] = ()


class Toolbox:
    """The builder image in the engine, ready to run programs."""

    def __init__(self, engine: Engine, store: Store, descriptor: oci.Descriptor) -> None:
        """Use the builder image that `descriptor` names; it is loaded into the engine when it is first needed."""
        self.engine = engine
        self.descriptor = descriptor
        self._store = store
        self._image_id: str | None = None

    @property
    def image_id(self) -> str:
        """Id of the builder image in the engine, loaded if need be."""
        if self._image_id is None:
            manifest = self._store.manifest(self.descriptor)
            tag = f"boss-builder/builder:{Digest(self.descriptor.digest).hex[:12]}"
            self._image_id = self.engine.load(self._store, manifest, tag)
        return self._image_id

    def run(
        self,
        program: str,
        request: msgspec.Struct,
        answer: type[T],
        *,
        work: Path,
        folders: Sequence[Folder] = (),
        tmpfs: Mapping[str, str] | None = None,
        time_limit: float,
    ) -> T:
        """Run `builder.inside.<program>` on a request, without a network, and decode its answer.

        `work` is a folder of the host that the program sees, writable, as its current folder; its log is `work/log`.
        `tmpfs` are folders in memory, with their mount options. `time_limit` is in seconds.
        Raises InputFailure where the program refused its input, WorkFailure where it failed or exceeded the limit.
        """
        (work / "request.json").write_bytes(documents.compact(request))
        mounts = [Folder(PROGRAMS, GUEST_PROGRAMS), Folder(work, GUEST_WORK, writable=True), *folders]
        log_file = work / "log"
        done = self.engine.run(
            self.image_id,
            ["/bin/sh", "-c", f"cd {GUEST_WORK} && exec python3 -m builder.inside.{program}"],
            folders=mounts,
            tmpfs=tmpfs,
            environment={
                "PYTHONPATH": "/boss-builder",
                "PYTHONDONTWRITEBYTECODE": "1",
                "PYTHONUTF8": "1",
                "LC_ALL": "C.UTF-8",
                "HOME": "/root",
            },
            time_limit=time_limit,
            log_file=log_file,
        )
        path = work / "answer.json"
        if done.exit_code != 0 or not path.exists():
            message, said = f"{program} failed in the builder image (exit code {done.exit_code})", done.tail.rstrip()
            if NO_SPACE in said.lower():
                raise SpaceFailure(message, hint=said + "\nfree some space where the store is")
            raise WorkFailure(message, hint=said)
        decoded = documents.decode(path.read_bytes(), _Answer)
        if decoded.refused:
            raise InputFailure(*(Problem(r.message, hint=r.hint) for r in decoded.refused))
        if not bytes(decoded.result):
            raise WorkFailure(f"{program} gave no answer", hint=done.tail)
        return documents.decode(bytes(decoded.result), answer)


LAYER_PROGRAMS = (
    "berkeley.py", "canonical.py", "clock.py", "compress.py", "handover.py", "install_os.py", "layers.py", "program.py",
)  # fmt: skip
SIF_PROGRAMS = ("program.py", "sif.py")
DISK_PROGRAMS = ("canonical.py", "disk.py", "flatten.py", "program.py")


def programs_digest(programs: Sequence[str]) -> Digest:
    """Digest of programs of `builder.inside`: what they are decides what they make."""
    listing: dict[str, Any] = {name: Digest.of((PROGRAMS / name).read_bytes()) for name in programs}
    return Digest.of(documents.compact(listing))


def open_toolbox(
    store: Store,
    engine: Engine,
    progress: Progress,
    *,
    descriptor: oci.Descriptor | None = None,
    name: str | None = None,
) -> Toolbox:
    """Open the builder image: the one that a lock names, the one that the store has, or a new one.

    `descriptor` is the lock's; it must be in the store. `name` is an image pinned by digest to take instead of
    bootstrapping one. Raises what `image.make` and `image.take` raise.
    """
    if descriptor is None:
        descriptor = store.find(image.reference()) if name is None else None
    elif not store.has(descriptor.digest, descriptor.size):
        raise Failure(
            f"the builder image {descriptor.digest} of the lock is missing from the store",
            hint="copy it from another store, or make a new one: boss-builder freeze RELEASE --update",
        )
    if descriptor is None:
        descriptor = image.make(store, progress) if name is None else image.take(store, engine, name, progress)
    return Toolbox(engine, store, descriptor)
