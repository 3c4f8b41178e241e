"""From a lock to the stages of its root: what each needs, what it runs, and the key under which its result is kept.

Pure: it reads templates and decides; nothing is fetched, written or built. A stage's key is a digest of everything
that its bytes depend on, so two releases that share a stage share its key, and its result is built once.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Any

from builder.core import documents
from builder.core.digest import Digest
from builder.inside.clock import still_clock
from builder.lock.model import BOOKKEEPING, Blob, Lock
from builder.recipe.epoch import release_epoch, shared_epoch
from builder.recipe.images import VmImage
from builder.recipe.model import ExternalLibrary, Recipe, RpmSource, TarballSource
from builder.render.templates import octal, render
from builder.render.vm import CONSOLE, ROOT_PARTITION, SHELL, disk_ids, file_system

SCRATCH = "/.boss-builder"
"""Where a stage's inputs stand while it runs; nothing of it stays."""
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
OS = "os"
BOSS = "boss"
VM = "vm"


class Form(StrEnum):
    """How an input appears in a build context."""

    TEXT = "text"
    FILE = "file"
    """The blob as it is."""
    TREE = "tree"
    """A folder, unpacked from the blob, a canonical tar."""
    ARCHIVE = "archive"
    """A canonical tar, repacked from the blob, a tar in any compression."""
    PACKED = "packed"
    """A canonical tar that holds the blob alone, for nobody to write; the tar's name without `.tar` is the file's."""


@dataclass(frozen=True)
class Input:
    """One file or folder of a build context; `path` is below the context."""

    path: str
    form: Form
    text: str = ""
    blob: Blob | None = None
    strip: int = 0

    def identity(self) -> dict[str, Any]:
        """What decides its bytes."""
        digest = self.blob.digest if self.blob else Digest.of(self.text.encode())
        return {"path": self.path, "form": self.form, "digest": digest, "strip": self.strip}


@dataclass(frozen=True)
class Stage:
    """One step of a root: its name, SOURCE_DATE_EPOCH, inputs, Dockerfile instructions (without FROM), and key."""

    name: str
    epoch: int
    inputs: tuple[Input, ...]
    instructions: str
    key: Digest

    @property
    def reference(self) -> str:
        """Where the store keeps its result."""
        return f"stage/{self.name}/{self.key.hex[:24]}"


@dataclass(frozen=True)
class Plan:
    """All stages of a release, lowest first; the first is `os`, which dnf makes in the builder image."""

    lock: Lock
    stages: tuple[Stage, ...]
    """Of the root that every shape holds."""
    vm: Stage | None = None
    """What a virtual machine has on top of it; None where the recipe asks for none."""

    @property
    def key(self) -> Digest:
        """Key of the whole root."""
        return self.stages[-1].key


def plan(lock: Lock, tools: Digest) -> Plan:
    """Plan the stages of a lock. `tools` is the digest of the programs that bring results into canonical form."""
    recipe = lock.recipe
    packages = sorted(lock.package(nevra).blob.digest for nevra in lock.os_packages)
    database = [recipe.os.rpm_database] if recipe.os.rpm_database else []
    key = _key(tools, lock.builder_image.digest, OS, shared_epoch(recipe), packages, *database)
    stages = [Stage(OS, shared_epoch(recipe), (), "", key)]
    drafts = []
    if recipe.puppet is not None:
        drafts.append(_site(lock))
    drafts += [_library(lock, library) for library in recipe.external_library]
    drafts.append(_boss(lock))
    for draft in drafts:
        stages.append(_stage(draft, stages[-1].key))
    image = recipe.image_of("vm")
    vm = None if image is None else _stage(_vm(lock, image, stages[-1].key), stages[-1].key)
    return Plan(lock, tuple(stages), vm)


def _stage(draft: Draft, below: Digest) -> Stage:
    name, epoch, inputs, instructions = draft
    ordered = tuple(sorted(inputs, key=lambda i: i.path))
    key = _key(below, name, epoch, instructions, [i.identity() for i in ordered])
    return Stage(name, epoch, ordered, instructions, key)


def _key(*parts: Any) -> Digest:
    return Digest.of(documents.compact(parts))


Draft = tuple[str, int, list[Input], str]


def _site(lock: Lock) -> Draft:
    name = "site"
    epoch = shared_epoch(lock.recipe)
    sources = lock.sources
    manifest = PurePosixPath(sources["puppet.manifest"].source).name
    inputs = [Input(f"{name}/{manifest}", Form.FILE, blob=sources["puppet.manifest"].blob)]
    modules = {k.removeprefix("puppet.module."): s for k, s in sources.items() if k.startswith("puppet.module.")}
    inputs += [Input(f"{name}/modules/{module}", Form.TREE, blob=s.blob) for module, s in modules.items()]
    hiera = "puppet.hiera" in sources
    if hiera:
        inputs.append(Input(f"{name}/hiera.yaml", Form.FILE, blob=sources["puppet.hiera"].blob))
    if "puppet.hiera_data" in sources:
        inputs.append(Input(f"{name}/data", Form.TREE, blob=sources["puppet.hiera_data"].blob))
    script = render("oci/site.sh.j2", scratch=SCRATCH, epoch=epoch, manifest=manifest, hiera=hiera)
    inputs.append(Input(f"{name}/apply.sh", Form.TEXT, text=script))
    return name, epoch, inputs, render("oci/site.Dockerfile.j2", name=name, scratch=SCRATCH)


def _library(lock: Lock, library: ExternalLibrary) -> Draft:
    name = f"library-{library.name}"
    blob = lock.sources[f"external_library.{library.name}"].blob
    strip = library.source.strip_components if isinstance(library.source, TarballSource) else 0
    text = render(
        "oci/library.Dockerfile.j2",
        name=name,
        library=library.name,
        version=library.version,
        install_to=(library.install_to or "").rstrip("/"),
    )
    return name, shared_epoch(lock.recipe), [Input(f"{name}/tree.tar", Form.ARCHIVE, blob=blob, strip=strip)], text


def _boss(lock: Lock) -> Draft:
    recipe = lock.recipe
    epoch = release_epoch(recipe)
    inputs = []
    source = recipe.package.source
    if isinstance(source, RpmSource):
        packages = [lock.package(nevra) for nevra in lock.boss_packages]
        inputs += [Input(f"{BOSS}/packages/{p.file_name}", Form.FILE, blob=p.blob) for p in packages]
        script = render("oci/boss.sh.j2", scratch=SCRATCH, epoch=epoch, clock=octal(still_clock(epoch)))
        inputs.append(Input(f"{BOSS}/install.sh", Form.TEXT, text=script))
    else:
        strip = source.strip_components if isinstance(source, TarballSource) else 0
        blob = lock.sources["package.boss"].blob
        inputs.append(Input(f"{BOSS}/tree.tar", Form.ARCHIVE, blob=blob, strip=strip))
    papers = {k.removeprefix("document."): s for k, s in lock.sources.items() if k.startswith("document.")}
    inputs += [
        Input(f"{BOSS}/documents/{paper}{PurePosixPath(origin.source).suffix}", Form.FILE, blob=origin.blob)
        for paper, origin in papers.items()
    ]
    bookkeeping = PurePosixPath(recipe.bookkeeping.install_to) if recipe.bookkeeping else None
    if bookkeeping is not None:
        blob = lock.sources[BOOKKEEPING].blob
        inputs.append(Input(f"{BOSS}/bookkeeping/{bookkeeping.name}.tar", Form.PACKED, blob=blob))
    text = render(
        "oci/boss.Dockerfile.j2",
        name=BOSS,
        scratch=SCRATCH,
        packages=bool(lock.boss_packages),
        tree=not isinstance(source, RpmSource),
        install_to=(recipe.package.install_to or "").rstrip("/"),
        documents=f"/usr/share/doc/{recipe.full_name}" if papers else "",
        bookkeeping=str(bookkeeping or ""),
    )
    return BOSS, epoch, inputs, text


def _vm(lock: Lock, image: VmImage, root: Digest) -> Draft:
    recipe = lock.recipe
    epoch = release_epoch(recipe)
    packages = [lock.package(nevra) for nevra in lock.vm_packages]
    ids = disk_ids(root)
    script = render(
        "oci/vm.sh.j2",
        scratch=SCRATCH,
        epoch=epoch,
        clock=octal(still_clock(epoch)),
        release=recipe.full_name,
        packages=bool(packages),
        root=ids.root,
        partition=ids.partitions[ROOT_PARTITION],
        file_system=file_system(recipe).kind,
        environment=environment(recipe),
        arguments=image.kernel_arguments,
        console=CONSOLE,
        shell=SHELL,
    )
    inputs = [Input(f"{VM}/packages/{p.file_name}", Form.FILE, blob=p.blob) for p in packages]
    inputs.append(Input(f"{VM}/install.sh", Form.TEXT, text=script))
    return VM, epoch, inputs, render("oci/vm.Dockerfile.j2", name=VM, scratch=SCRATCH)


def environment(recipe: Recipe) -> dict[str, str]:
    """The environment that an image gives its programs: PATH, then each library's, then the package's own."""
    merged = {"PATH": DEFAULT_PATH}
    for library in recipe.external_library:
        merged |= library.environment
    return merged | recipe.package.environment


def dockerfile(planned: Plan, lock_digest: str) -> str:
    """Give the Dockerfile of the whole release, which needs nothing but its context."""
    recipe = planned.lock.recipe
    first = render(
        "oci/os.Dockerfile.j2", packages=len(planned.lock.os_packages), base="scratch", archive="os/root.tar"
    )
    image = recipe.image_of("oci")
    return render(
        "oci/Dockerfile.j2",
        release=recipe.full_name,
        title=recipe.release.title,
        lock=lock_digest,
        tag=f"{recipe.release.name.lower()}:{recipe.release.version}",
        stages=[first, *(s.instructions for s in planned.stages[1:])],
        environment=environment(recipe),
        command=list(image.command),
    )
