"""The typed recipe: what `recipe.hcl` says once it is evaluated.

These types are the one description of the language: the checker, `init`, `schema`, `show` and the docs read names,
types, defaults, patterns and descriptions from here. Values are frozen and hold no text positions; two recipes that
say the same are equal and serialise to the same bytes.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, ClassVar, Literal, overload

from msgspec import Meta, field

from builder.recipe.fields import (
    Block,
    Commit,
    CvmfsHash,
    CvmfsName,
    CvmfsPath,
    Environment,
    FilePath,
    FolderPath,
    GuestPath,
    ModuleStream,
    Name,
    PackageSpec,
    Sha256,
    Text,
    TreePath,
    Url,
)
from builder.recipe.images import Image, OciImage, SifImage, VmImage
from builder.recipe.tables import Bookkeeping
from builder.recipe.validation import Validation
from builder.store.shapes import SHAPES, Shape


class Release(Block, frozen=True, kw_only=True):
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


Mirrorlist = Annotated[
    Url | None,
    Meta(description="in the place of `url`: the address of a list of mirrors; the first that answers is taken"),
]
Architectures = Annotated[
    tuple[Literal["x86_64", "i686", "i586", "i486", "i386"], ...],
    Meta(description="what is taken besides noarch; default: all that an x86_64 runs"),
]


WeakSignatures = Annotated[
    bool,
    Meta(description="take a package whose signature is right but of an algorithm that is refused today, as SHA-1"),
]


class RpmRepository(Block, frozen=True, kw_only=True):
    """`rpm_repository "NAME" { ... }`: one RPM repository."""

    labels: ClassVar[tuple[str, ...]] = ("name",)

    name: Name
    url: Url | None = None
    mirrorlist: Mirrorlist = None
    gpg_keys: Annotated[
        tuple[FilePath | Url, ...],
        Meta(description="public keys (files, or addresses) that sign its packages and metadata"),
    ] = ()
    gpgcheck: Annotated[bool, Meta(description="refuse a package without a good signature")] = True
    repo_gpgcheck: Annotated[
        bool,
        Meta(description="refuse metadata (repomd.xml) without a good signature; a bad one is always refused"),
    ] = False
    weak_signatures: WeakSignatures = False
    architectures: Architectures = ()
    modules: Annotated[
        tuple[ModuleStream, ...], Meta(description="module streams to enable, where not the default ones")
    ] = ()


class Os(Block, frozen=True, kw_only=True):
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
    rpm_database: Annotated[
        Literal["bdb", "ndb", "sqlite"] | None,
        Meta(description="the RPM database that the system's own rpm reads; default: what that rpm says of itself"),
    ] = None
    stands_in_for: Annotated[
        str, Meta(description="what this only imitates, as in `an Enterprise Linux`; every report says so")
    ] = ""


class Puppet(Block, frozen=True, kw_only=True):
    """`puppet { ... }`: the template that makes a site's system of a plain one."""

    manifest: Annotated[FilePath, Meta(description="the manifest to apply, a file")]
    modules: Annotated[
        tuple[FolderPath, ...], Meta(description="module folders; the last part of each is the module's name")
    ] = ()
    hiera: Annotated[FilePath | None, Meta(description="hiera.yaml, a file; its datadir must be `data`")] = None
    hiera_data: Annotated[
        FolderPath | None, Meta(description="the folder of hiera data; appears as `data` beside hiera.yaml")
    ] = None


class TarballSource(Block, frozen=True, kw_only=True, tag_field="kind", tag="tarball"):
    """`source "tarball" { ... }`: an archive, unpacked as it is."""

    url: Url
    sha256: Sha256
    strip_components: Annotated[int, Meta(ge=0, le=9, description="leading path parts to drop, as tar does")] = 0


class DirectorySource(Block, frozen=True, kw_only=True, tag_field="kind", tag="directory"):
    """`source "directory" { ... }`: a folder beside the recipe."""

    path: FolderPath


class GitSource(Block, frozen=True, kw_only=True, tag_field="kind", tag="git"):
    """`source "git" { ... }`: the files of a commit, as git keeps them."""

    url: Url
    commit: Commit
    path: TreePath | None = None


class CvmfsSource(Block, frozen=True, kw_only=True, tag_field="kind", tag="cvmfs"):
    """`source "cvmfs" { ... }`: a folder of a mounted CernVM-FS repository at one revision, which keeps its path."""

    repository: CvmfsName
    path: CvmfsPath
    tag: Annotated[
        Name | None, Meta(description="the named revision that is mounted; one of `tag` and `root_hash`, or both")
    ] = None
    root_hash: CvmfsHash | None = None


class RpmSource(Block, frozen=True, kw_only=True, tag_field="kind", tag="rpm_repository"):
    """`source "rpm_repository" { ... }`: packages of an RPM repository of their own."""

    url: Url | None = None
    mirrorlist: Mirrorlist = None
    packages: Annotated[tuple[PackageSpec, ...], Meta(min_length=1)]
    gpg_keys: tuple[FilePath | Url, ...] = ()
    gpgcheck: bool = True
    repo_gpgcheck: bool = False
    weak_signatures: WeakSignatures = False
    architectures: Architectures = ()


TreeSource = TarballSource | DirectorySource | GitSource | CvmfsSource
PackageSource = RpmSource | TreeSource


class ExternalLibrary(Block, frozen=True, kw_only=True):
    """`external_library "NAME" { ... }`: a library that BOSS stands on and the OS does not bring."""

    labels: ClassVar[tuple[str, ...]] = ("name",)

    name: Name
    version: Name
    source: TreeSource
    install_to: Annotated[
        GuestPath | None, Meta(description="where it is unpacked; what comes of CernVM-FS keeps its own path")
    ] = None
    environment: Environment = field(default_factory=dict)

    @property
    def place(self) -> str:
        """The folder that it fills in the image."""
        return self.source.path if isinstance(self.source, CvmfsSource) else self.install_to or "/"


class Component(Block, frozen=True, kw_only=True):
    """`component "NAME" { ... }`: a part that BOSS was built with, told for readers; nothing is fetched for it."""

    labels: ClassVar[tuple[str, ...]] = ("name",)

    name: Name
    version: Name
    known_from: Annotated[str, Meta(min_length=1, description="where this can be read, or that it can not")]
    part_of: Annotated[str, Meta(description="what brings it, as in `ExternalLib`")] = ""


class Package(Block, frozen=True, kw_only=True):
    """`package "boss" { ... }`: the software that is preserved."""

    labels: ClassVar[tuple[str, ...]] = ("name",)

    name: Literal["boss"]
    source: PackageSource
    install_to: Annotated[
        GuestPath | None,
        Meta(description="where files are unpacked; an RPM, and what comes of CernVM-FS, knows itself"),
    ] = None
    environment: Environment = field(default_factory=dict)
    stands_in_for: Annotated[
        str, Meta(description="what this only imitates, as in `an Enterprise Linux`; every report says so")
    ] = ""

    @property
    def place(self) -> str | None:
        """The folder that it fills in the image; None where RPMs know."""
        return self.source.path if isinstance(self.source, CvmfsSource) else self.install_to


class Document(Block, frozen=True, kw_only=True):
    """`document "NAME" { ... }`: a release note or paper, kept with the release; one of `file` and `url`."""

    labels: ClassVar[tuple[str, ...]] = ("name",)

    name: Name
    title: str = ""
    file: FilePath | None = None
    url: Url | None = None
    sha256: Annotated[Sha256 | None, Meta(description="needed with `url`")] = None


class Recipe(Block, frozen=True, kw_only=True):
    """A whole recipe, evaluated, with everything that it inherits merged in."""

    release: Release
    os: Os
    package: Package
    puppet: Puppet | None = None
    external_library: tuple[ExternalLibrary, ...] = ()
    component: tuple[Component, ...] = ()
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
