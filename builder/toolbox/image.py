"""Make the builder image, or take one that somebody else made, and keep it in the store."""

from __future__ import annotations

import gzip
import json
import re
import shlex
import shutil
import tarfile
from pathlib import Path

import docker.errors

from builder.core import documents
from builder.core.digest import Digest
from builder.core.errors import HostFailure, InputFailure, WorkFailure
from builder.core.process import run
from builder.core.progress import Progress
from builder.engine.engine import Engine
from builder.inside.canonical import HashingWriter, merge, write_tar
from builder.store import oci
from builder.store.store import Store

SUITE = "trixie"
LATER_SUITE = "sid"
PACKAGES = (
    "apptainer", "createrepo-c", "dnf", "e2fsprogs", "fdisk", "fuse-overlayfs", "fuse3", "gnupg", "grub-efi-amd64-bin",
    "grub-pc-bin", "libarchive13t64", "mtools", "pigz", "qemu-utils", "rpm", "squashfs-tools", "squashfuse",
)  # fmt: skip
"""All of SUITE, but for what only LATER_SUITE has: apptainer, which needs nothing else of it."""
TOOLS = (
    "apptainer", "createrepo_c", "dnf", "gpg", "grub-mkimage", "mcopy", "mke2fs", "mksquashfs", "pigz", "python3",
    "qemu-img", "rpm", "rpmkeys", "sfdisk",
)  # fmt: skip
PREFERENCES = f"Package: *\nPin: release n={LATER_SUITE}\nPin-Priority: 50\n"
EPOCH = 1735689600  # 2025-01-01: a fixed day, so that nothing of the day of making stands in the image
BOOTSTRAP_LIMIT = 1800
TAIL_LINES = 20
WITHOUT_ROOT = """\
give it subordinate ids, as root:
    apt-get install uidmap && usermod --add-subuids 100000-165535 --add-subgids 100000-165535 USER
or freeze once as root into the same store, which keeps the builder image
or name an image that holds the tools: --builder-image NAME@sha256:DIGEST"""
PINNED = re.compile(r"(?P<name>[^@\s]+)@(?P<digest>sha256:[0-9a-f]{64})")
DEBIAN = Path("/etc/debian_version")


def definition() -> str:
    """Name what the builder image is made from; another list of tools gives another name."""
    return Digest.of(documents.compact({"suites": [SUITE, LATER_SUITE], "packages": PACKAGES, "epoch": EPOCH})).hex[:12]


def reference() -> str:
    """Reference under which the store keeps the builder image of this version of the software."""
    return f"builder/{SUITE}-{definition()}"


def make(store: Store, progress: Progress) -> oci.Descriptor:
    """Bootstrap the builder image with mmdebstrap, from the Debian mirror that this host uses, and store it.

    Raises HostFailure where the host is no Debian or lacks mmdebstrap, WorkFailure where the bootstrap fails.
    """
    if not DEBIAN.exists():
        raise HostFailure(
            "the builder image is made with mmdebstrap, and this host is no Debian",
            hint="name an image that holds the tools: --builder-image NAME@sha256:DIGEST",
        )
    if shutil.which("mmdebstrap") is None:
        raise HostFailure("mmdebstrap is not installed", hint="apt-get install mmdebstrap")
    with store.workspace("builder") as folder, progress.task("builder image: bootstrap"):
        archive = folder / "root.tar"
        _bootstrap(archive)
        return _store_layers(store, folder, [archive], f"mmdebstrap {SUITE}")


def _bootstrap(archive: Path) -> None:
    """Run mmdebstrap. Raises HostFailure where this user may not, WorkFailure where it fails."""
    mirror = _mirror()
    preferences = shlex.quote(PREFERENCES)
    done = run(
        ["mmdebstrap", "--variant=minbase", "--skip=output/dev", "--format=tar", "--quiet",
         # a frozen mirror serves release files that have expired; their signatures are checked all the same
         '--aptopt=Acquire::Check-Valid-Until "false"',
         f'--setup-hook=printf %s {preferences} > "$1/etc/apt/preferences.d/later-suite"',
         "--include=" + ",".join(PACKAGES), SUITE, archive,
         *(f"deb {mirror} {suite} main" for suite in (SUITE, LATER_SUITE))],
        time_limit=BOOTSTRAP_LIMIT,
        environment={"SOURCE_DATE_EPOCH": str(EPOCH), "LC_ALL": "C"},
        check=False,
    )  # fmt: skip
    if "unable to pick chroot mode" in done.stderr:
        raise HostFailure(
            "this user can not bootstrap the builder image: mmdebstrap finds no way without root", hint=WITHOUT_ROOT
        )
    if done.returncode != 0:
        tail = "\n".join(done.stderr.splitlines()[-TAIL_LINES:])
        raise WorkFailure(f"mmdebstrap failed with exit code {done.returncode}", hint=tail)


def _mirror() -> str:
    """Address of the main Debian archive in the host's own apt configuration; HostFailure where there is none."""
    listed = run(
        ["apt-get", "indextargets", "--format", "$(ORIGIN)|$(LABEL)|$(COMPONENT)|$(REPO_URI)", "Created-By: Packages"],
        time_limit=60,
    ).stdout
    for line in listed.splitlines():
        origin, label, component, address = line.split("|", 3)
        if (origin, label, component) == ("Debian", "Debian", "main"):
            return address
    raise HostFailure(
        "apt knows no Debian archive (component main) on this host", hint="apt-get update, then try again"
    )


def check_pinned(name: str) -> re.Match[str]:
    """Check that a container image is named by digest. Raises InputFailure where it is not."""
    match = PINNED.fullmatch(name)
    if match is None:
        raise InputFailure(
            f"the builder image {name!r} is not pinned", hint="write NAME@sha256:DIGEST, so that it can never change"
        )
    return match


def take(store: Store, engine: Engine, name: str, progress: Progress) -> oci.Descriptor:
    """Pull an image that is named by digest, check that it holds the tools, and store it in canonical form.

    Raises InputFailure for a name without digest or an image without the tools, WorkFailure where the pull fails.
    """
    match = check_pinned(name)
    with store.workspace("builder") as folder:
        try:
            with progress.task(f"builder image: pull {name}"):
                image = engine.client.images.pull(match["name"], tag=match["digest"])
        except docker.errors.APIError as error:
            raise WorkFailure(f"the builder image {name} was not pulled: {error.explanation}") from error
        probe = " && ".join(f"command -v {tool}" for tool in TOOLS)
        found = engine.run(str(image.id), ["/bin/sh", "-c", probe], time_limit=120)
        if found.exit_code != 0:
            raise InputFailure(
                f"the builder image {name} lacks a tool; found: {', '.join(found.tail.split()) or 'none'}",
                hint="it needs " + ", ".join(TOOLS),
            )
        saved = folder / "saved.tar"
        with saved.open("xb") as sink:
            for chunk in image.save():
                sink.write(chunk)
        return _store_layers(store, folder, _extract_layers(saved, folder), name)


def _extract_layers(saved: Path, folder: Path) -> list[Path]:
    with tarfile.open(saved) as archive:
        listing = archive.extractfile("manifest.json")
        if listing is None:
            raise WorkFailure("the Docker Engine saved an image without manifest.json")
        paths = []
        for number, name in enumerate(json.load(listing)[0]["Layers"]):
            path = folder / f"layer-{number}.tar"
            stream = archive.extractfile(name)
            if stream is None:
                raise WorkFailure(f"the Docker Engine saved an image without its layer {name}")
            with stream, path.open("xb") as sink:
                shutil.copyfileobj(stream, sink, 1 << 20)
            paths.append(path)
    return paths


def _store_layers(store: Store, folder: Path, archives: list[Path], origin: str) -> oci.Descriptor:
    """Squash archives into one canonical layer and store it as an OCI image."""
    target = folder / "layer.tar.gz"
    tars = [tarfile.open(path) for path in archives]  # noqa: SIM115 - closed below, after the merge has read them
    try:
        with (
            target.open("xb") as sink,
            gzip.GzipFile(filename="", mode="wb", fileobj=sink, compresslevel=3, mtime=0) as stream,
        ):
            plain = HashingWriter(stream)
            write_tar(merge(tars, EPOCH, b".boss-builder"), plain)
    finally:
        for tar in tars:
            tar.close()
    digest, size = store.put_file(target)
    created = "2025-01-01T00:00:00Z"
    config = documents.compact(
        oci.ImageConfig(
            architecture="amd64",
            os="linux",
            created=created,
            config={"Env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"]},
            rootfs=oci.RootFs(diff_ids=(plain.digest,)),
            history=(oci.HistoryStep(created=created, created_by=origin),),
        )
    )
    return store.put_manifest(
        oci.Manifest(
            config=oci.Descriptor(media_type=oci.CONFIG, digest=store.put(config), size=len(config)),
            layers=(
                oci.Descriptor(media_type=oci.LAYER_GZIP, digest=digest, size=size),
            ),
        ),
        reference(),
    )  # fmt: skip
