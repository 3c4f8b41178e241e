"""What a lock holds, and that locks of earlier versions are still read."""

import msgspec

from builder.core import documents
from builder.lock import file as lock_file
from builder.lock.model import Lock
from builder.recipe.images import OciImage, VmImage
from tests.unit.render.test_plan import RECIPE, lock, package


def test_a_lock_from_before_there_were_machines_is_read():
    old = lock_file.encode(lock())
    assert b"vm_packages" not in old
    read = documents.decode(old, Lock)
    assert read.vm_packages == ()
    assert read.recipe.image_of("oci") == OciImage()
    assert read.recipe.image_of("vm") is None


def test_an_image_is_written_with_its_shape_as_its_name():
    recipe = msgspec.structs.replace(RECIPE, image=(OciImage(), VmImage(memory="2GiB", packages=("kernel",))))
    said = msgspec.json.decode(lock_file.encode(lock(recipe=recipe)))["recipe"]["image"]
    assert said == [{"name": "oci"}, {"memory": "2GiB", "name": "vm", "packages": ["kernel"]}]


def test_a_lock_with_a_machine_is_read_as_it_was_written_and_holds_its_packages():
    (repository,) = lock().repositories
    repository = msgspec.structs.replace(repository, packages=(*repository.packages, package("kernel")))
    recipe = msgspec.structs.replace(RECIPE, image=(VmImage(packages=("kernel",)),))
    value = lock(recipe=recipe, repositories=(repository,), vm_packages=("kernel-0:1-1.noarch",))
    read = documents.decode(lock_file.encode(value), Lock)
    assert read == value
    assert read.package(*read.vm_packages).name == "kernel"
    assert "repository/os/packages/kernel-1-1.noarch.rpm" in read.blobs()
