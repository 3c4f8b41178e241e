"""The images that a recipe asks for, one type for each shape."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from builder.recipe.fields import Block, DiskSize, KernelArgument, MemorySize, PackageSpec, Text
from builder.recipe.sizes import size_in_bytes


class OciImage(Block, frozen=True, kw_only=True, tag_field="name", tag="oci"):
    """`image "oci" { ... }`: an image for Docker and its like; the others are made from it."""

    command: Annotated[tuple[Text, ...], Meta(description="what the image starts by itself")] = ("/bin/bash",)


class SifImage(Block, frozen=True, kw_only=True, tag_field="name", tag="sif"):
    """`image "sif" { ... }`: an image for Apptainer."""

    command: Annotated[tuple[Text, ...], Meta(description="what `apptainer run` starts where no command is given")] = (
        "/bin/bash",
    )


class VmImage(Block, frozen=True, kw_only=True, tag_field="name", tag="vm"):
    """`image "vm" { ... }`: the disk of a virtual machine."""

    disk: DiskSize = "8GiB"
    memory: MemorySize = "1GiB"
    processors: Annotated[int, Meta(ge=1, le=64)] = 2
    uefi: Annotated[bool, Meta(description="whether the disk boots under UEFI too; it boots under BIOS always")] = False
    disk_bus: Annotated[
        Literal["nvme", "virtio", "sata", "ide"], Meta(description="where the guest finds its disk")
    ] = "virtio"
    packages: Annotated[
        tuple[PackageSpec, ...],
        Meta(description="what only a machine of its own needs, as the kernel; from the OS's repositories"),
    ] = ()
    kernel_arguments: Annotated[
        tuple[KernelArgument, ...], Meta(description="words for the kernel's command line, after those that it needs")
    ] = ()

    @property
    def disk_bytes(self) -> int:
        """Size of the disk that the guest sees."""
        return size_in_bytes(self.disk)

    @property
    def memory_bytes(self) -> int:
        """Size of the guest's memory."""
        return size_in_bytes(self.memory)


Image = OciImage | SifImage | VmImage
