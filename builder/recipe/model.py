"""The typed recipe: what `recipe.hcl` says once it is evaluated.

These types are the one description of the language: the checker, `init`, `schema`, `show` and the docs read names,
types, defaults, patterns and descriptions from here. Values are frozen and hold no text positions; two recipes that
say the same are equal and serialise to the same bytes.
"""

from __future__ import annotations

from datetime import date
from pathlib import PurePosixPath
from typing import Annotated, ClassVar, Literal, overload

import msgspec
from msgspec import Meta

from builder.recipe.sizes import SIZE, UNITS, size_in_bytes
from builder.store.shapes import SHAPES, Shape

NAME = r"^[A-Za-z0-9][A-Za-z0-9._+-]*$"
PACKAGE = r"^@?[A-Za-z0-9][A-Za-z0-9._+:~^-]*$"
USER_PATH = r"^(?!.*/\.\.(/|$))/[A-Za-z0-9._+/-]*$"
VARIABLE = r"^[A-Za-z_][A-Za-z0-9_]*$"
SHA256 = r"^[0-9a-f]{64}$"
URL = r"^https?://[A-Za-z0-9._~:/?#@+,=%&\[\]-]+$"
FILE_PATH = r"^[A-Za-z0-9._+,:=@~/-]+$"
KERNEL_ARGUMENT = r"^[A-Za-z0-9_][A-Za-z0-9_.,:=/@%+-]*$"

Name = Annotated[str, Meta(pattern=NAME, description="letters, digits and . _ + -, the first a letter or digit")]
PackageSpec = Annotated[
    str, Meta(pattern=PACKAGE, description="a package name, name-version-release, or @group, as dnf takes it")
]
GuestPath = Annotated[str, Meta(pattern=USER_PATH, description="an absolute path inside the image, without ..")]
Url = Annotated[str, Meta(description="an http or https address", pattern=URL, extra_json_schema={"format": "uri"})]
Sha256 = Annotated[str, Meta(pattern=SHA256, description="64 hexadecimal digits, lower case")]
Text = Annotated[str, Meta(min_length=1)]
DiskSize = Annotated[
    str,
    Meta(
        description="what the guest sees of its disk: a whole number and MiB, GiB or TiB; what is free takes no space",
        pattern=SIZE,
        extra={"minimum": 64 * UNITS["MiB"], "maximum": 16 * UNITS["TiB"]},
    ),
]
MemorySize = Annotated[
    str,
    Meta(
        description="a whole number and MiB, GiB or TiB",
        pattern=SIZE,
        extra={"minimum": 64 * UNITS["MiB"], "maximum": UNITS["TiB"]},
    ),
]
KernelArgument = Annotated[
    str, Meta(pattern=KERNEL_ARGUMENT, description="letters, digits and _ . , : = / @ % + -, the first not a sign")
]


class _Block(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Base of every block; `labels` are the fields that stand as labels before the brace."""

    labels: ClassVar[tuple[str, ...]] = ()


class FileRef(msgspec.Struct, frozen=True, order=True):
    """A file or folder that a recipe names: the recipe's own folder name under recipes/, and the path inside it.

    With `extends`, a path is relative to the recipe that says it, so the folder travels with the path.
    """

    recipe: str
    path: str

    def __str__(self) -> str:
        """Give `folder/path`, relative to recipes/."""
        return str(PurePosixPath(self.recipe) / self.path)


FilePath = Annotated[FileRef, Meta(description="a file beside the recipe", extra={"shape": "file"})]
FolderPath = Annotated[FileRef, Meta(description="a folder beside the recipe", extra={"shape": "folder"})]


class Release(_Block, frozen=True, kw_only=True):
    """`release "NAME" "VERSION" { ... }`: which release this is."""

    labels: ClassVar[tuple[str, ...]] = ("name", "version")

    name: Name
    version: Name
    title: Text
    date: Annotated[
        date,
        Meta(description="YYYY-MM-DD; becomes SOURCE_DATE_EPOCH of what is built for this release alone"),
    ]
    license: Annotated[str, Meta(min_length=1, description="who may have it, or an SPDX expression")]


class RpmRepository(_Block, frozen=True, kw_only=True):
    """`rpm_repository "NAME" { ... }`: one RPM repository."""

    labels: ClassVar[tuple[str, ...]] = ("name",)

    name: Name
    url: Url
    gpg_keys: Annotated[
        tuple[FilePath | Url, ...],
        Meta(description="public keys (files, or addresses) that sign its packages and metadata"),
    ] = ()
    gpgcheck: Annotated[bool, Meta(description="refuse a package without a good signature")] = True
    repo_gpgcheck: Annotated[
        bool,
        Meta(description="refuse metadata (repomd.xml) without a good signature; a bad one is always refused"),
    ] = False


class Os(_Block, frozen=True, kw_only=True):
    """`os { ... }`: the operating system that everything stands on."""

    family: Name
    version: Name
    architecture: Literal["x86_64"]
    packages: Annotated[tuple[PackageSpec, ...], Meta(min_length=1, description="what to install; dependencies follow")]
    rpm_repository: Annotated[tuple[RpmRepository, ...], Meta(min_length=1)]
    date: Annotated[
        date | None,
        Meta(description="SOURCE_DATE_EPOCH of what releases share (os, site, libraries); default: the release's date"),
    ] = None
    stands_in_for: Annotated[
        str, Meta(description="what this only imitates, as in `an Enterprise Linux`; every report says so")
    ] = ""


class Puppet(_Block, frozen=True, kw_only=True):
    """`puppet { ... }`: the template that makes a site's system of a plain one."""

    manifest: Annotated[FilePath, Meta(description="the manifest to apply, a file")]
    modules: Annotated[
        tuple[FolderPath, ...], Meta(description="module folders; the last part of each is the module's name")
    ] = ()
    hiera: Annotated[FilePath | None, Meta(description="hiera.yaml, a file; its datadir must be `data`")] = None
    hiera_data: Annotated[
        FolderPath | None, Meta(description="the folder of hiera data; appears as `data` beside hiera.yaml")
    ] = None


class TarballSource(_Block, frozen=True, kw_only=True, tag_field="kind", tag="tarball"):
    """`source "tarball" { ... }`: an archive, unpacked as it is."""

    url: Url
    sha256: Sha256
    strip_components: Annotated[int, Meta(ge=0, le=9, description="leading path parts to drop, as tar does")] = 0


class DirectorySource(_Block, frozen=True, kw_only=True, tag_field="kind", tag="directory"):
    """`source "directory" { ... }`: a folder beside the recipe."""

    path: FolderPath


class RpmSource(_Block, frozen=True, kw_only=True, tag_field="kind", tag="rpm_repository"):
    """`source "rpm_repository" { ... }`: packages of an RPM repository of their own."""

    url: Url
    packages: Annotated[tuple[PackageSpec, ...], Meta(min_length=1)]
    gpg_keys: tuple[FilePath | Url, ...] = ()
    gpgcheck: bool = True
    repo_gpgcheck: bool = False


TreeSource = TarballSource | DirectorySource
PackageSource = RpmSource | TarballSource | DirectorySource
Environment = dict[
    Annotated[str, Meta(pattern=VARIABLE, description="letters, digits and _, the first not a digit")], str
]


class ExternalLibrary(_Block, frozen=True, kw_only=True):
    """`external_library "NAME" { ... }`: a library that BOSS stands on and the OS does not bring."""

    labels: ClassVar[tuple[str, ...]] = ("name",)

    name: Name
    version: Name
    source: TreeSource
    install_to: GuestPath
    environment: Environment = {}


class Package(_Block, frozen=True, kw_only=True):
    """`package "boss" { ... }`: the software that is preserved."""

    labels: ClassVar[tuple[str, ...]] = ("name",)

    name: Literal["boss"]
    source: PackageSource
    install_to: Annotated[
        GuestPath | None, Meta(description="where a tarball or directory is unpacked; an RPM knows itself")
    ] = None
    environment: Environment = {}
    stands_in_for: Annotated[
        str, Meta(description="what this only imitates, as in `an Enterprise Linux`; every report says so")
    ] = ""


class Document(_Block, frozen=True, kw_only=True):
    """`document "NAME" { ... }`: a release note or paper, kept with the release; one of `file` and `url`."""

    labels: ClassVar[tuple[str, ...]] = ("name",)

    name: Name
    title: str = ""
    file: FilePath | None = None
    url: Url | None = None
    sha256: Annotated[Sha256 | None, Meta(description="needed with `url`")] = None


class OciImage(_Block, frozen=True, kw_only=True, tag_field="name", tag="oci"):
    """`image "oci" { ... }`: an image for Docker and its like; the others are made from it."""

    command: Annotated[tuple[Text, ...], Meta(description="what the image starts by itself")] = ("/bin/bash",)


class SifImage(_Block, frozen=True, kw_only=True, tag_field="name", tag="sif"):
    """`image "sif" { ... }`: an image for Apptainer."""

    command: Annotated[tuple[Text, ...], Meta(description="what `apptainer run` starts where no command is given")] = (
        "/bin/bash",
    )


class VmImage(_Block, frozen=True, kw_only=True, tag_field="name", tag="vm"):
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


class CsvTables(_Block, frozen=True, kw_only=True, tag_field="kind", tag="csv"):
    """`source "csv" { ... }`: tables as text; the first line of each names its columns."""

    table: Annotated[FilePath, Meta(description="the table of calibration constants, CalVtxLumVer")]
    payloads: Annotated[
        FolderPath | None, Meta(description="a folder of NAME.csv, one for each table that holds constants")
    ] = None


class DatabaseDump(_Block, frozen=True, kw_only=True, tag_field="kind", tag="dump"):
    """`source "dump" { ... }`: what mysqldump or sqlite3's .dump wrote, or a file of sqlite."""

    file: FilePath


class MariaDb(_Block, frozen=True, kw_only=True, tag_field="kind", tag="mariadb"):
    """`source "mariadb" { ... }`: a server of MariaDB or MySQL that is asked when the release is frozen."""

    host: Annotated[
        str,
        Meta(min_length=1, pattern=r"^[A-Za-z0-9._:-]+$", description="a name or address: letters, digits and . _ : -"),
    ]
    port: Annotated[int, Meta(ge=1, le=65535)] = 3306
    database: Name = "offlinedb"
    user: Name
    password_variable: Annotated[
        str, Meta(pattern=VARIABLE, description="of the environment, it holds the password: letters, digits and _")
    ] = "BOSS_BUILDER_DATABASE_PASSWORD"  # noqa: S105 - the name of a variable, not a password
    payloads: Annotated[tuple[Name, ...], Meta(description="tables that hold constants, copied too")] = ()


TableSource = CsvTables | DatabaseDump | MariaDb
BookkeepingFinding = Literal[
    "overlap", "gap", "inverted", "unknown-type", "wrong-sign", "default-version", "no-version", "no-payload"
]


class Bookkeeping(_Block, frozen=True, kw_only=True):
    """`bookkeeping { ... }`: which calibration constants belong to which runs; the image holds it as sqlite."""

    source: TableSource
    release: Annotated[
        str, Meta(description="BossRelease of the rows that belong to this release; default: its version")
    ] = ""
    install_to: Annotated[GuestPath, Meta(description="the sqlite file in the image")] = (
        "/usr/share/bookkeeping/offlinedb.db"
    )
    accept: Annotated[
        tuple[BookkeepingFinding, ...], Meta(description="findings of `bookkeeping check` that do not stop a freeze")
    ] = ("gap",)


class Sample(_Block, frozen=True, kw_only=True):
    """`sample "NAME" { ... }`: events of one channel, made and reconstructed in the booted image."""

    labels: ClassVar[tuple[str, ...]] = ("name",)

    name: Name
    channel: Annotated[str, Meta(min_length=1, description="as reports call it: J/psi -> rho pi")]
    job_options: Annotated[
        tuple[FilePath, ...], Meta(min_length=1, description="the jobs in their order; each file is given to `command`")
    ]
    files: Annotated[tuple[FilePath, ...], Meta(description="what the jobs read besides, as decay cards")] = ()
    command: Annotated[tuple[Text, ...], Meta(min_length=1)] = ("boss.exe",)
    result: Annotated[Name, Meta(description="the file of histograms that the last job writes")]
    events: Annotated[int, Meta(ge=1, le=100_000_000)]
    emulated_events: (
        Annotated[
            int,
            Meta(
                ge=1,
                le=100_000_000,
                description="events where the processor is emulated; default: a tenth of `events`",
            ),
        ]
        | None
    ) = None
    seed: Annotated[int, Meta(ge=1, le=2_147_483_647)]
    time_limit: Annotated[int, Meta(gt=0, description="seconds for each job")] = 600


class Reference(_Block, frozen=True, kw_only=True):
    """`reference "NAME" { ... }`: what samples are compared with; one of `release` and `results`."""

    labels: ClassVar[tuple[str, ...]] = ("name",)

    name: Name
    title: Annotated[str, Meta(min_length=1, description="as reports call it: the previous release, data")]
    release: Annotated[Name | None, Meta(description="a release whose result the store holds")] = None
    results: Annotated[FolderPath | None, Meta(description="a folder of SAMPLE.json, as samples' results")] = None
    stands_in_for: Annotated[
        str, Meta(description="what this only imitates, as in `data of BESIII`; every report says so")
    ] = ""


class Observable(_Block, frozen=True, kw_only=True):
    """`observable "NAME" { ... }`: quantities of samples that are compared with a reference, all in one way."""

    labels: ClassVar[tuple[str, ...]] = ("name",)

    name: Name
    samples: Annotated[
        tuple[Name, ...], Meta(min_length=1, description="the samples in which each histogram is compared")
    ]
    histograms: Annotated[
        tuple[Name, ...],
        Meta(min_length=1, description="names in the result; of an efficiency the stem of NAME_passed and NAME_total"),
    ]
    reference: Name
    test: Literal["chi2", "ks", "binomial-ratio"]
    tolerance: Annotated[
        float, Meta(ge=0, le=1, description="a difference that is accepted even where it is significant")
    ] = 0.0
    critical: Annotated[bool, Meta(description="whether a difference makes the validation fail")] = True


class Validation(_Block, frozen=True, kw_only=True):
    """`validation { ... }`: how a booted image is judged."""

    suite: Annotated[FolderPath, Meta(description="a folder of pytest and testinfra tests")]
    time_limit: Annotated[int, Meta(gt=0, description="seconds for the whole suite")] = 600
    family_wise_error_rate: Annotated[
        float,
        Meta(gt=0, le=0.5, description="the probability that chance alone makes any of the comparisons fail"),
    ] = 0.01
    sample: tuple[Sample, ...] = ()
    reference: tuple[Reference, ...] = ()
    observable: tuple[Observable, ...] = ()


class Recipe(_Block, frozen=True, kw_only=True):
    """A whole recipe, evaluated, with everything that it inherits merged in."""

    release: Release
    os: Os
    package: Package
    puppet: Puppet | None = None
    external_library: tuple[ExternalLibrary, ...] = ()
    bookkeeping: Bookkeeping | None = None
    document: tuple[Document, ...] = ()
    image: Annotated[tuple[Image, ...], Meta(min_length=1)] = (OciImage(),)
    validation: Validation | None = None

    @property
    def full_name(self) -> str:
        """`name-version`, as in `miniboss-1.0.0`."""
        return f"{self.release.name}-{self.release.version}"

    @property
    def shapes(self) -> tuple[Shape, ...]:
        """What is built, in the order in which it is made; `oci` always, as the others are made from it."""
        return tuple(shape for shape in SHAPES if self.image_of(shape) is not None)

    @overload
    def image_of(self, shape: Literal["oci"]) -> OciImage: ...
    @overload
    def image_of(self, shape: Literal["sif"]) -> SifImage | None: ...
    @overload
    def image_of(self, shape: Literal["vm"]) -> VmImage | None: ...
    @overload
    def image_of(self, shape: Shape) -> Image | None: ...

    def image_of(self, shape: Shape) -> Image | None:
        """Give the image of a shape, or None where the recipe asks for none; `oci` is always there."""
        found = next((image for image in self.image if image.__struct_config__.tag == shape), None)
        return OciImage() if found is None and shape == "oci" else found
