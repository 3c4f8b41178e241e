"""The complete context of a release: a folder in which `docker build .` makes its image without this software."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from builder.build.build import build_plan, builder_image
from builder.build.kept import stored_stage
from builder.build.os_stage import build_os
from builder.core.digest import Digest
from builder.core.errors import InputFailure, WorkFailure
from builder.core.progress import Progress
from builder.engine.archive import read_layer
from builder.lock import file as lock_file
from builder.lock.model import Lock
from builder.render.context import settle_modes, write_inputs
from builder.render.plan import dockerfile
from builder.store import oci
from builder.store.store import Store
from builder.toolbox.toolbox import Toolbox


def write_context(
    lock: Lock, store: Store, folder: Path, open_toolbox: Callable[[oci.Descriptor], Toolbox], progress: Progress
) -> None:
    """Write Dockerfile and inputs of every stage into a new folder.

    The root of the stage `os` comes from the store; where that has none, the stage is built, since no Dockerfile
    could make it. The folder appears whole or not at all. Raises InputFailure where it exists and is not empty,
    WorkFailure where it can not be written.
    """
    if folder.exists() and any(folder.iterdir()):
        raise InputFailure(f"{folder} is not empty", hint="name a new folder")
    planned = build_plan(lock)
    built = stored_stage(planned.stages[0], store)
    if built is None:
        progress.say("the store has no stage os yet; building it, since the context holds its root")
        built = build_os(planned.stages[0], lock, store, open_toolbox(builder_image(lock)), progress)
    folder.parent.mkdir(parents=True, exist_ok=True)
    growing = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        with progress.task("write the context"):
            (growing / "os").mkdir()
            with (growing / "os" / "root.tar").open("xb") as sink:
                for chunk in read_layer(store, built.layer):
                    sink.write(chunk)
            for stage in planned.stages[1:]:
                write_inputs(stage, store, growing)
            (growing / "Dockerfile").write_text(dockerfile(planned, Digest.of(lock_file.encode(lock))), "utf-8")
        settle_modes(growing)
        growing.rename(folder)
    except OSError as error:
        raise WorkFailure(f"the context {folder} can not be written: {error.strerror}") from error
    finally:
        shutil.rmtree(growing, ignore_errors=True)
