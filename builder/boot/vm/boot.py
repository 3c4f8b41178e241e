"""A disk of the store booted as a virtual machine, with the environment of the OCI image that holds the same files."""

from __future__ import annotations

import tempfile
from pathlib import Path

from builder.boot.vm.qemu import BOOT_LIMIT, QemuMachine
from builder.core.errors import WorkFailure
from builder.core.progress import NoProgress, Progress
from builder.store import oci
from builder.store.shapes import VM_DISK, VmConfig
from builder.store.store import Store


def boot_vm(
    store: Store, image: oci.Descriptor, progress: Progress | None = None, *, time_limit: float | None = None
) -> QemuMachine:
    """Start a disk of the store, which is not changed; the caller closes the machine.

    It may take `time_limit` seconds, by default BOOT_LIMIT. Raises HostFailure where this host lacks something,
    WorkFailure where the disk is damaged or does not boot.
    """
    listener = progress or NoProgress()
    manifest = store.manifest(image)
    disk = next((layer for layer in manifest.layers if layer.media_type == VM_DISK), None)
    if disk is None:
        raise WorkFailure(f"{image.digest} is no image of a virtual machine: it has no layer of the type {VM_DISK}")
    config = store.document(manifest.config, VmConfig)
    machine = QemuMachine.boot(
        store.checked_path(disk.digest),
        config,
        folder=Path(tempfile.gettempdir()),
        environment=image_environment(store, manifest),
        time_limit=BOOT_LIMIT if time_limit is None else time_limit,
    )
    listener.say(machine.accelerator.title)
    return machine


def image_environment(store: Store, manifest: oci.Manifest) -> dict[str, str]:
    """Give the environment of the OCI image that an image of another shape was made from.

    A disk can not hold it, but for its login shells: so whoever boots it gives it to every command.
    """
    if manifest.subject is None:
        return {}
    config = store.document(store.manifest(manifest.subject).config, oci.ImageConfig).config
    pairs = (str(entry).partition("=") for entry in config.get("Env") or ())
    return {name: value for name, _, value in pairs}
