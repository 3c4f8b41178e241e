"""Boot an image of the store, whatever its shape."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from builder.boot.binds import Bind, working_folder
from builder.boot.machine import Machine
from builder.boot.session import Session
from builder.core.progress import NoProgress, Progress
from builder.store import oci
from builder.store.shapes import Shape
from builder.store.store import Store

if TYPE_CHECKING:
    from builder.boot.shell.machine import ShellMachine


def boot(
    store: Store,
    shape: Shape,
    image: oci.Descriptor,
    *,
    progress: Progress | None = None,
    time_limit: float | None = None,
) -> Machine:
    """Start the image that `image` describes with networking off; the caller closes the machine.

    `time_limit` is how many seconds a virtual machine may take until it answers; None: as long as it takes under
    emulation on a slow host.

    Raises HostFailure where this host lacks what the shape needs, WorkFailure where the image does not boot.
    """
    if shape == "oci":
        return _boot_docker(store, image)
    if shape == "sif":
        from builder.boot.apptainer.machine import boot_sif

        return boot_sif(store, image, progress)
    from builder.boot.vm.boot import boot_vm

    return boot_vm(store, image, progress, time_limit=time_limit)


def _boot_docker(store: Store, image: oci.Descriptor) -> Machine:
    from builder.boot.docker.machine import DockerMachine
    from builder.engine.engine import connect

    engine = connect()
    try:
        machine = DockerMachine.boot(engine, store, image)
    except BaseException:
        engine.client.close()
        raise
    machine.at_close(engine.client.close)
    return machine


@contextmanager
def open_session(
    store: Store,
    shape: Shape,
    image: oci.Descriptor,
    words: Sequence[str],
    *,
    binds: Sequence[Bind] = (),
    progress: Progress | None = None,
) -> Iterator[Session]:
    """Give a command in an image with networking off, ready to run with this process's own streams.

    Raises as `boot`, some of it only when the command is run.
    """
    listener = progress or NoProgress()
    if shape == "oci":
        from builder.boot.docker.machine import load
        from builder.boot.docker.session import Container, ContainerSession
        from builder.engine.engine import Folder, connect

        engine = connect()
        try:
            folders = tuple(Folder(bind.host, bind.guest, writable=bind.writable) for bind in binds)
            container = Container(load(engine, store, image), tuple(words), folders, working_folder(binds))
            yield ContainerSession(engine, container, binds=binds)
        finally:
            engine.client.close()
    elif shape == "sif":
        from builder.boot.apptainer.program import find_apptainer, sif_path

        path = sif_path(store, image)
        with find_apptainer(store, image) as apptainer:
            listener.say(apptainer.reason)
            yield apptainer.session(path, words, binds)
    else:
        from builder.boot.vm.boot import boot_vm
        from builder.boot.vm.session import CopyingSession

        def start() -> ShellMachine:
            with listener.task("the virtual machine boots"):
                return boot_vm(store, image, listener)

        yield CopyingSession(start, words, binds, working_folder(binds))
