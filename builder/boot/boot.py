"""Boot an image of the store, whatever its shape."""

from __future__ import annotations

from builder.boot.machine import Machine
from builder.core.errors import WorkFailure
from builder.core.progress import NoProgress, Progress
from builder.store import oci
from builder.store.shapes import Shape
from builder.store.store import Store


def boot(store: Store, shape: Shape, image: oci.Descriptor, *, progress: Progress | None = None) -> Machine:
    """Start the image that `image` describes with networking off; the caller closes the machine.

    Raises HostFailure where this host lacks what the shape needs, WorkFailure where the image does not boot.
    """
    listener = progress or NoProgress()
    if shape == "oci":
        return _boot_docker(store, image)
    raise WorkFailure(f"an image of the shape {shape} can not be booted", hint=str(listener))


def _boot_docker(store: Store, image: oci.Descriptor) -> Machine:
    from builder.boot.docker import DockerMachine
    from builder.engine.engine import connect

    engine = connect()
    try:
        machine = DockerMachine.boot(engine, store, image)
    except BaseException:
        engine.client.close()
        raise
    machine.at_close(engine.client.close)
    return machine
