"""The builder image taken from a registry, pinned by digest: what a host that is no Debian does."""

import json
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

from builder.core.progress import NoProgress
from builder.engine.engine import connect
from builder.store.store import Store
from builder.store.verify import verify
from builder.toolbox.toolbox import open_toolbox
from tests.integration.spine import PROJECT, Workplace, builder_store

pytestmark = pytest.mark.integration

CONFIG = """\
version: 0.1
storage: {{filesystem: {{rootdirectory: {folder}}}}}
http: {{addr: "127.0.0.1:{port}"}}
"""


@pytest.fixture(scope="module")
def registry(tmp_path_factory) -> Iterator[str]:
    """Debian's docker-registry on loopback, on a free port; gives its address."""
    folder = tmp_path_factory.mktemp("registry")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (folder / "config.yml").write_text(CONFIG.format(folder=folder / "data", port=port))
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(["docker-registry", "serve", folder / "config.yml"], stdout=log, stderr=log)
    try:
        for _ in range(100):
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/v2/", timeout=1).close()
                break
            except urllib.error.URLError:
                time.sleep(0.1)
        yield f"127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait()


def pushed(registry: str, image_id: str, name: str) -> str:
    """Push an image of the engine; gives its name with its digest."""
    tag = f"{registry}/{name}:test"
    try:
        subprocess.run(["docker", "tag", image_id, tag], check=True)
        subprocess.run(["docker", "push", "--quiet", tag], check=True, capture_output=True)
        inspected = subprocess.run(["docker", "inspect", tag], check=True, capture_output=True).stdout
        (pinned,) = [n for n in json.loads(inspected)[0]["RepoDigests"] if n.startswith(registry)]
        subprocess.run(["docker", "rmi", "--no-prune", pinned], check=False, capture_output=True)
    finally:
        subprocess.run(["docker", "rmi", "--no-prune", tag], check=False, capture_output=True)
    return pinned


@pytest.fixture
def work(tmp_path) -> Workplace:
    shutil.copytree(PROJECT / "recipes", tmp_path / "recipes", ignore=shutil.ignore_patterns("recipe.lock.json"))
    return Workplace(tmp_path, {"upstream": "http://127.0.0.1:9"})


def test_a_pinned_image_is_pulled_checked_and_stored(registry, tmp_path):
    engine = connect()
    try:
        made = open_toolbox(Store(builder_store()), engine, NoProgress())
        name = pushed(registry, made.image_id, "builder")
        store = Store(tmp_path / "images")
        taken = open_toolbox(store, engine, NoProgress(), name=name)
        assert verify(store) == ()
        first, second = (s.manifest(t.descriptor) for s, t in ((Store(builder_store()), made), (store, taken)))
        assert [layer.digest for layer in second.layers] == [layer.digest for layer in first.layers]
    finally:
        engine.client.close()


def test_a_name_without_a_digest_is_refused(work):
    ran = work.run("freeze", "miniboss-1.0.0", "--builder-image", "debian:trixie")
    assert ran.code == 2
    assert "is not pinned" in ran.err
    assert "NAME@sha256:DIGEST" in ran.err


def test_an_image_without_the_tools_is_refused(registry, work, engine, make_image):
    image = make_image(work.store, "busybox")
    image_id = engine.load(work.store, work.store.manifest(image), "boss-builder-test/busybox:tools")
    name = pushed(registry, image_id, "busybox")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(work.variables, "upstream", "http://127.0.0.1:9")
        ran = work.run("freeze", "miniboss-1.0.0", "--builder-image", name)
    assert ran.code == 2, ran.err
    assert "lacks a tool" in ran.err
    assert "createrepo_c" in ran.err


def test_an_image_that_is_not_there_is_said_plainly(registry, work):
    ran = work.run("freeze", "miniboss-1.0.0", "--builder-image", f"{registry}/none@sha256:{'0' * 64}")
    assert ran.code == 4, ran.err
    assert "was not pulled" in ran.err
    assert "Traceback" not in ran.err
