"""What differs between two locks, in words."""

import msgspec

from builder.freeze.changes import changes
from builder.lock.model import Key
from tests.unit.render.test_plan import blob, lock, package


def with_packages(*packages, keys=()):
    (repository,) = lock().repositories
    return lock(repositories=(msgspec.structs.replace(repository, packages=packages, keys=keys),))


def test_equal_locks_have_no_changes():
    assert changes(lock(), lock()) == ()


def test_every_kind_of_change_has_a_line():
    shell, boss = package("shell"), package("boss")
    newer = msgspec.structs.replace(shell, version="2", blob=blob("shell 2"))
    found = changes(with_packages(shell, boss), with_packages(newer, package("extra")))
    assert found == ("boss.noarch: removed, was 0:1-1", "extra.noarch: added, 0:1-1", "shell.noarch: 0:1-1 -> 0:2-1")


def test_the_same_version_with_other_bytes_is_said():
    found = changes(with_packages(package("shell")), with_packages(package("shell", "other bytes")))
    assert found == ("shell.noarch: 0:1-1 has other bytes than before",)


def test_inputs_keys_recipe_and_builder_image_are_named():
    sources = dict(lock().sources)
    notes = sources.pop("document.notes")
    after = lock(
        sources=sources | {"document.paper": notes},
        recipe_files={"tiny": blob("other text")},
        builder_image=blob("other builder"),
    )
    assert [line.partition(":")[0] for line in changes(lock(), after)] == [
        "recipe",
        "builder image",
        "document.notes",
        "document.paper",
    ]
    one = Key(source="http://vault.example/KEY", fingerprint="A" * 40, blob=blob("one"))
    two = msgspec.structs.replace(one, fingerprint="B" * 40)
    found = changes(with_packages(keys=(one,)), with_packages(keys=(two,)))
    assert found == (f"key {'B' * 40}: new", f"key {'A' * 40}: no longer used")


def test_a_package_that_only_a_machine_needs_is_a_change_too():
    before = with_packages(package("shell"))
    after = with_packages(package("shell"), package("kernel"))
    after = msgspec.structs.replace(after, vm_packages=("kernel-0:1-1.noarch",))
    assert changes(before, after) == ("kernel.noarch: added, 0:1-1",)
