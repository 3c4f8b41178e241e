"""Apptainer for tests: images of a megabyte, and a host that has apptainer though Debian 12 has none."""

from __future__ import annotations

import fcntl
import os
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path

from builder.core.progress import PlainProgress
from builder.engine.engine import Engine, Folder
from builder.store import oci
from builder.store.shapes import SHAPE_ANNOTATION, SIF_CONFIG, SIF_LAYER, reference
from builder.store.store import Store
from builder.toolbox.image import definition
from builder.toolbox.toolbox import open_toolbox
from tests.integration.spine import CACHE, builder_store, new_store

APPLET = b'#!/bin/busybox sh\nexec /bin/busybox ${0##*/} "$@"\n'
AGENT_TOOLS = {f"bin/{name}": APPLET for name in ("dd", "stty", "su", "tar", "ls", "chown")}
"""What the agent of a machine needs beside what the small image has."""
HOST_PROGRAM = """\
#!/bin/sh
# The builder image's apptainer as this host's own: its root takes the place of ours, in a mount namespace.
exec unshare --mount --propagation private sh -c '
set -e
root=$0 here=$(pwd)
mount --rbind "$root" "$root"
for folder in proc sys dev tmp run; do mount --rbind /$folder "$root/$folder"; done
for file in subuid subgid; do mount --bind {ids} "$root/etc/$file"; done
pivot_root "$root" "$root/old"
cd "$here" 2>/dev/null || cd /
umount -l /old
exec /usr/bin/apptainer "$@"
' {root} "$@"
"""
Image = Callable[..., oci.Descriptor]


def store_with_sif(engine: Engine, make_image: Image, folder: Path, **contents: object) -> Store:
    """A store with the release tiny-1 as OCI and SIF, and the builder image; `contents` go to `make_image`."""
    origin = Store(folder / "origin")
    make_image(origin, "tiny-1", **contents)
    (folder / "made").mkdir()
    toolbox = open_toolbox(Store(builder_store()), engine, PlainProgress())
    done = engine.run(
        toolbox.image_id,
        ["apptainer", "build", "/made/tiny-1.sif", "oci:/origin"],
        folders=[Folder(origin.path, "/origin"), Folder(folder / "made", "/made", writable=True)],
        time_limit=120,
    )
    assert done.exit_code == 0, done.tail
    store = Store(new_store(folder / "images"))
    image = make_image(store, "tiny-1", **contents)
    keep_sif(store, folder / "made" / "tiny-1.sif", image)
    return store


def keep_sif(store: Store, sif: Path, image: oci.Descriptor) -> oci.Descriptor:
    """Store a SIF as the release tiny-1 in that shape."""
    digest, size = store.put_copy(sif)
    annotations = {**store.manifest(image).annotations, SHAPE_ANNOTATION: "sif"}
    manifest = oci.Manifest(
        config=oci.Descriptor(media_type=SIF_CONFIG, digest=store.put(oci.EMPTY_DATA), size=len(oci.EMPTY_DATA)),
        layers=(oci.Descriptor(media_type=SIF_LAYER, digest=digest, size=size, annotations={oci.TITLE: "tiny-1.sif"}),),
        subject=oci.Descriptor(media_type=image.media_type, digest=image.digest, size=image.size),
        annotations=annotations,
    )
    return store.put_manifest(manifest, reference("tiny-1", "sif"))


def host_apptainer(engine: Engine, folder: Path, ids: str = "root:100000:65536\n") -> Path:
    """Make a folder for PATH with an `apptainer` that runs on this host itself; `ids` is its subuid(5)."""
    (folder / "ids").write_text(ids)
    program = folder / "apptainer"
    program.write_text(
        HOST_PROGRAM.replace("{ids}", str(folder / "ids")).replace("{root}", str(_unpacked_root(engine)))
    )
    program.chmod(0o755)
    return folder


def _unpacked_root(engine: Engine) -> Path:
    """The builder image's files in a folder; made once, kept in the cache."""
    root = CACHE / f"builder-root-{definition()}"
    toolbox = open_toolbox(Store(builder_store()), engine, PlainProgress())
    with (CACHE / "lock").open("ab") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        if not root.exists():
            scratch = Path(tempfile.mkdtemp(dir=CACHE))
            scratch.chmod(0o755)
            with engine.container(toolbox.image_id, ["true"]) as container, tempfile.TemporaryFile() as archive:
                for chunk in container.export():
                    archive.write(chunk)
                archive.seek(0)
                with tarfile.open(fileobj=archive) as tar:
                    tar.extractall(scratch, filter="fully_trusted")  # noqa: S202 - our own image, devices and all
            for name in ("dev", "proc", "sys", "tmp", "run", "old"):
                (scratch / name).mkdir(exist_ok=True)
            scratch.rename(root)
    return root


def processes_with(setting: str) -> list[str]:
    """Programs of this host that have a setting (`NAME=VALUE`) in their environment: a command's and all it started."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if setting.encode() in path.read_bytes().split(b"\0"):
                found.append((path.parent / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue  # it has ended
    return found


def path_with(folder: Path) -> str:
    """PATH with a folder before all others."""
    return f"{folder}:{os.environ['PATH']}"


def path_without(folder: Path, *absent: str) -> str:
    """A PATH of one folder that has every program of the usual ones but those named."""
    folder.mkdir()
    for place in reversed(os.environ["PATH"].split(":")):
        for program in Path(place).iterdir() if Path(place).is_dir() else ():
            if program.name not in absent:
                (folder / program.name).unlink(missing_ok=True)
                (folder / program.name).symlink_to(program)
    return str(folder)
