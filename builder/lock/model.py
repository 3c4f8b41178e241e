"""The typed lock, as `recipe.lock.json` holds it: sorted, stable, without times, reviewable in a diff."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from builder.recipe.model import Recipe

LOCK_VERSION = 1
BOOKKEEPING = "bookkeeping"
"""Among the sources, the snapshot; what it was made of is called `bookkeeping.` and more."""


class _Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Base of every record."""


class Verdict(StrEnum):
    """What the check of a signature said."""

    GOOD = "good"
    UNSIGNED = "unsigned"
    UNCHECKED = "unchecked"
    """The recipe asks for no check (gpgcheck = false)."""
    WEAK = "weak"
    """Right, but of an algorithm that the tools of today refuse; the recipe takes it (weak_signatures = true)."""


class Signature(_Record, frozen=True, kw_only=True):
    """Verdict on a signature, and the id of the key that made it (16 hexadecimal digits)."""

    verdict: Verdict
    key_id: str = ""
    algorithm: str = ""
    """Of a weak one: public key and hash, as RSA/SHA1."""


class Blob(_Record, frozen=True, kw_only=True):
    """Content in the store: digest and size in bytes."""

    digest: str
    size: int


class Key(_Record, frozen=True, kw_only=True):
    """A public key: where the recipe found it, its bytes, its fingerprint."""

    source: str
    fingerprint: str
    blob: Blob


class RpmPackage(_Record, frozen=True, kw_only=True):
    """One RPM: its identity, address, bytes, and what its signature was worth."""

    name: str
    epoch: int
    version: str
    release: str
    architecture: str
    location: str
    """Path below the repository's address."""
    blob: Blob
    signature: Signature

    @property
    def nevra(self) -> str:
        """`name-epoch:version-release.architecture`, as dnf takes it."""
        return f"{self.name}-{self.epoch}:{self.version}-{self.release}.{self.architecture}"

    @property
    def file_name(self) -> str:
        """Name of the RPM's file in the frozen repository: the last part of its location."""
        return self.location.rpartition("/")[2]


class Repository(_Record, frozen=True, kw_only=True):
    """One RPM repository as it was when it was frozen, and the packages that were taken from it."""

    name: str
    url: str
    mirrorlist: str = ""
    """Where the list was that `url` was the first of to answer; "" where the recipe names the repository itself."""
    revision: str
    content: str = ""
    """What its metadata says that it is (createrepo_c --content), as "stand-in upstream"."""
    metadata: dict[str, Blob]
    """Its own metadata: `repomd.xml`, the signature beside it, and each file that was read, by location."""
    signature: Signature
    keys: tuple[Key, ...]
    packages: tuple[RpmPackage, ...]


class GitTree(_Record, frozen=True, kw_only=True):
    """What git calls the files that a source holds."""

    url: str
    commit: str
    path: str = ""
    """The folder that was taken, or "": all."""
    tree: str
    """Its tree as git names it: `git rev-parse COMMIT:PATH`."""
    swhid: str
    """Its tree as the Software Heritage archive names it: `swh:1:dir:...` (ISO/IEC 18670)."""


class CvmfsTree(_Record, frozen=True, kw_only=True):
    """Which revision of a CernVM-FS repository a source holds a folder of."""

    repository: str
    path: str
    root_hash: str
    """Of the root catalogue, from which every other digest follows."""
    tag: str = ""
    """The named revision that was mounted, or "": none."""
    revision: int | None = None
    catalogs: dict[str, str] = {}
    """Digest of each catalogue that lists something of the folder, by the folder where it begins; "" where unknown."""


class Source(_Record, frozen=True, kw_only=True):
    """An input that is a file or a folder: where it came from, and its bytes (a folder's as a canonical tar)."""

    source: str
    blob: Blob
    kind: str
    git: GitTree | None = None
    cvmfs: CvmfsTree | None = None


class DefaultVersion(_Record, frozen=True, kw_only=True):
    """What a row of the bookkeeping that asks for "default" got when it was frozen; the snapshot keeps it so."""

    data_type: str
    run_from: int
    run_to: int
    table: str
    version: str
    """SftVer/CalParVer."""


class Lock(_Record, frozen=True, kw_only=True):
    """Everything that a release is made from."""

    version: int
    recipe: Recipe
    """The recipe as it was understood when it was frozen."""
    recipe_files: dict[str, Blob]
    """Every recipe.hcl that was read, by its folder's name under recipes/."""
    builder_image: Blob
    """Manifest of the builder image."""
    repositories: tuple[Repository, ...]
    os_packages: tuple[str, ...]
    """NEVRA of each package of the stage `os`."""
    boss_packages: tuple[str, ...] = ()
    """NEVRA of each package that the stage `boss` adds."""
    vm_packages: tuple[str, ...] = ()
    """NEVRA of each package that the stage `vm` adds: what only a machine of its own needs."""
    frozen_repository: dict[str, Blob]
    """The metadata of the repository that lists the closure alone, by file name below `repodata/`."""
    sources: dict[str, Source]
    """Every other input by its place in the recipe: `puppet.manifest`, `external_library.NAME`, `document.NAME`..."""
    default_versions: tuple[DefaultVersion, ...] = ()
    """Of the bookkeeping: which versions "default" means in the snapshot."""

    def package(self, nevra: str) -> RpmPackage:
        """Find a package; raises KeyError where the lock has none of that name."""
        for repository in self.repositories:
            for package in repository.packages:
                if package.nevra == nevra:
                    return package
        raise KeyError(nevra)

    def packages(self) -> tuple[RpmPackage, ...]:
        """All packages, in the order of their NEVRA."""
        found = [package for repository in self.repositories for package in repository.packages]
        return tuple(sorted(found, key=lambda package: package.nevra))

    def blobs(self) -> dict[str, Blob]:
        """Every input's content by a name that says what it is; names are unique."""
        named: dict[str, Blob] = {f"recipe/{folder}/recipe.hcl": blob for folder, blob in self.recipe_files.items()}
        for repository in self.repositories:
            top = f"repository/{repository.name}"
            named |= {f"{top}/upstream/{location}": blob for location, blob in repository.metadata.items()}
            named |= {f"{top}/keys/{key.fingerprint}": key.blob for key in repository.keys}
            named |= {f"{top}/packages/{package.file_name}": package.blob for package in repository.packages}
        named |= {f"frozen/repodata/{name}": blob for name, blob in self.frozen_repository.items()}
        named |= {f"source/{place}": source.blob for place, source in self.sources.items()}
        return named
