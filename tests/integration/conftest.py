"""What the integration tests share: the engine, and an image of a megabyte in a store."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest

from builder.core import documents
from builder.core.digest import Digest
from builder.engine.engine import Engine, connect
from builder.inside.canonical import DIRECTORY, REGULAR, SYMBOLIC_LINK, Content, Entry, write_tar
from builder.store import oci
from builder.store.store import Store
from tests.busybox import static_busybox

TOOLS = "sh sleep cat echo env printf mkdir ls rm id sha256sum head setsid true stat test touch find grep sed tr tty"
PASSWD = b"root:x:0:0::/root:/bin/sh\nnobody:x:65534:65534::/:/bin/sh\n"

ImageMaker = Callable[..., oci.Descriptor]


@pytest.fixture(scope="session")
def engine() -> Engine:
    return connect()


@pytest.fixture(scope="session")
def busybox() -> bytes:
    return static_busybox()


def _folder(path: str, mode: int = 0o755) -> Content:
    return Entry(path.encode(), DIRECTORY, mode, 0, 0, 0), None


def _file(path: str, data: bytes, mode: int = 0o644) -> Content:
    return Entry(path.encode(), REGULAR, mode, 0, 0, 0, size=len(data)), lambda: io.BytesIO(data)


def _link(path: str, target: str) -> Content:
    return Entry(path.encode(), SYMBOLIC_LINK, 0o777, 0, 0, 0, link=target.encode()), None


@pytest.fixture(scope="session")
def make_image(busybox: bytes) -> ImageMaker:
    """Store an image whose root is busybox and the given files, with the given environment."""

    def make(
        store: Store,
        reference: str,
        files: dict[str, bytes] | None = None,
        env: tuple[str, ...] = (),
        annotations: dict[str, str] | None = None,
    ) -> oci.Descriptor:
        added = files or {}
        folders = {str(parent) for name in added for parent in Path(name).parents} - {"."}
        folders |= {"bin", "etc", "root", "tmp", "proc", "sys", "dev"}
        contents = [_folder(name, 0o1777 if name == "tmp" else 0o755) for name in folders]
        contents += [_file("bin/busybox", busybox, 0o755), _file("etc/passwd", PASSWD)]
        contents += [_link(f"bin/{tool}", "busybox") for tool in TOOLS.split() if f"bin/{tool}" not in added]
        contents += [_file(name, data, 0o755 if data.startswith(b"#!") else 0o644) for name, data in added.items()]
        tar = io.BytesIO()
        write_tar(sorted(contents, key=lambda content: content[0].path), tar)
        layer = oci.Descriptor(media_type=oci.LAYER, digest=store.put(tar.getvalue()), size=len(tar.getvalue()))
        config = documents.compact(
            oci.ImageConfig(
                architecture="amd64",
                os="linux",
                created="1970-01-01T00:00:00Z",
                config={"Env": ["PATH=/bin", *env], "Cmd": ["/bin/sh"]},
                rootfs=oci.RootFs(diff_ids=(Digest.of(tar.getvalue()),)),
                history=(),
            )
        )
        described = oci.Descriptor(media_type=oci.CONFIG, digest=store.put(config), size=len(config))
        manifest = oci.Manifest(config=described, layers=(layer,), annotations=annotations or {})
        return store.put_manifest(manifest, reference)

    return make
