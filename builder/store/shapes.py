"""How the store keeps an image in each shape: media types, references, and what a virtual machine needs to be started.

The OCI image is an ordinary one. The others are artifacts whose subject is the OCI image that they hold the same files
as: an Apptainer image in the media types of `apptainer push oras://`, and a disk in a type of our own.
Source: apptainer, "Support for OCI registries" (SIF over ORAS); OCI image specification 1.1, "Artifacts".
"""

from __future__ import annotations

from typing import Literal, get_args

import msgspec

from builder.store import oci

Shape = Literal["oci", "sif", "vm"]
SHAPES: tuple[Shape, ...] = get_args(Shape)

SIF_LAYER = "application/vnd.sylabs.sif.layer.v1.sif"
SIF_CONFIG = "application/vnd.sylabs.sif.config.v1"
VM_TYPE = "application/vnd.boss-builder.vm.v1"
VM_CONFIG = "application/vnd.boss-builder.vm.config.v1+json"
VM_DISK = "application/vnd.boss-builder.vm.disk.v1.qcow2"
RENDERED = "text/plain"
"""Media type of a rendered file that is kept beside an image."""

LOCK_ANNOTATION = "boss-builder.lock"
"""Digest of the lock that an image was made from: a blob of the store."""
SHAPE_ANNOTATION = "boss-builder.shape"
KEY_ANNOTATION = "boss-builder.key"
"""Digest of all that an image was made from and with; equal keys give equal images."""


def reference(release: str, shape: Shape) -> str:
    """Reference under which the store keeps a release's image in a shape."""
    return release if shape == "oci" else f"image/{release}/{shape}"


def release_and_shape(name: str, descriptor: oci.Descriptor) -> tuple[str, Shape] | None:
    """Tell which release a reference is an image of, and in which shape; None where it is no image's."""
    match name.split("/"):
        case [release] if descriptor.artifact_type is None:
            return release, "oci"
        case ["image", release, "sif"]:
            return release, "sif"
        case ["image", release, "vm"]:
            return release, "vm"
    return None


class VmConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The configuration of a VM image: the machine that its disk was made for."""

    architecture: str
    """As RPM calls it: x86_64."""
    memory: int
    """Bytes."""
    processors: int
    disk_bus: Literal["nvme", "virtio", "sata", "ide"]
    disk_size: int
    """Bytes that the guest sees."""
    raw_digest: str
    """sha256 of the whole disk, uncompressed: what `qemu-img convert -O raw` gives back."""
    firmware: tuple[Literal["bios", "uefi"], ...]
    """What the disk boots under; the first is used where nobody asks for another."""
    console: str
    """The guest's name of the serial port that shows its console, as ttyS0."""
    shell: str
    """The guest's name of the serial port with root's shell, as ttyS1."""
