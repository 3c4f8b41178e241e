"""The libvirt domain of a virtual machine is one by libvirt's own schema."""

import subprocess
from pathlib import Path

import msgspec
import pytest
from lxml import etree

from builder.core.digest import Digest
from builder.render.vm import disk_ids, domain
from tests.unit.render.test_shapes import CONFIG, SHAPES

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def schema(tmp_path_factory: pytest.TempPathFactory) -> etree.RelaxNG:
    """The schema in Debian's libvirt: fetched from the host's own mirror, not installed."""
    folder = tmp_path_factory.mktemp("libvirt")
    subprocess.run(["apt-get", "download", "-q", "libvirt0"], cwd=folder, check=True, timeout=120)
    (package,) = folder.glob("*.deb")
    subprocess.run(["dpkg-deb", "-x", package, folder / "root"], check=True, timeout=60)
    return etree.RelaxNG(etree.parse(Path(folder, "root/usr/share/libvirt/schemas/domain.rng")))


@pytest.mark.parametrize("bus", ["nvme", "virtio", "sata", "ide"])
def test_libvirts_schema_knows_every_word_of_the_domain(schema, bus):
    text = domain(SHAPES, msgspec.structs.replace(CONFIG, disk_bus=bus), disk_ids(Digest.of(b"root")))
    assert schema.validate(etree.fromstring(text)), schema.error_log


def test_a_word_that_libvirt_does_not_know_is_found(schema):
    text = (
        domain(SHAPES, CONFIG, disk_ids(Digest.of(b"root"))).replace("<vcpu>", "<cpus>").replace("</vcpu>", "</cpus>")
    )
    assert not schema.validate(etree.fromstring(text))
