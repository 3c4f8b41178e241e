"""The whole audit: undamaged stores are well, and whatever is changed in one is found."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.audit import log
from builder.audit.examine import Asked, Part, audit
from builder.audit.log import EventType, Happening, Outcome
from builder.audit.problems import TABLE, Code
from builder.core import documents
from builder.core.errors import ExitCode, InputFailure
from builder.core.progress import NoProgress, Task
from builder.store import oci
from builder.store.store import Store
from tests.unit.audit.archive import NOW, RELEASES, Clock, archive, codes, examined, put_evidence, put_image, released
from tests.unit.validation.measured import damage

FLIPS = 600


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store that nobody has audited; tests copy it."""
    return archive(tmp_path_factory.mktemp("fresh") / "images").path


@pytest.fixture(scope="module")
def audited(fresh: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The store, audited twice in full and once quickly; tests copy it."""
    path = tmp_path_factory.mktemp("audited") / "images"
    shutil.copytree(fresh, path)
    for quick in (False, False, True):
        assert examined(Store(path), quick=quick).exit_code is ExitCode.OK
    return path


@pytest.fixture
def unaudited(fresh: Path, tmp_path: Path) -> Store:
    return Store(Path(shutil.copytree(fresh, tmp_path / "images")))


@pytest.fixture
def store(audited: Path, tmp_path: Path) -> Store:
    return Store(Path(shutil.copytree(audited, tmp_path / "images")))


def test_a_store_that_was_never_audited_is_well_and_its_digests_are_recorded(unaudited):
    report = examined(unaudited)
    assert (report.problems, report.notes, report.exit_code) == ((), (), ExitCode.OK)
    assert report.new == report.blobs == len(list((unaudited.path / "blobs/sha256").iterdir()))
    assert [event.event_type for event in report.events] == [
        EventType.DIGEST_CALCULATION, EventType.FIXITY_CHECK, EventType.VALIDATION
    ]  # fmt: skip
    rows = [json.loads(line) for line in (unaudited.path / "audit/digests.jsonl").read_text().splitlines()]
    assert [row["digest"][7:] for row in rows] == sorted(
        path.name for path in (unaudited.path / "blobs/sha256").iterdir()
    )
    lines = "".join(f"{row['md5']}  {row['digest'][7:]}\n" for row in rows)
    subprocess.run(
        ["md5sum", "--check", "--strict", "--quiet"],
        cwd=unaudited.path / "blobs/sha256",
        input=lines.encode(),
        check=True,
    )


def test_a_second_audit_finds_the_same_and_adds_to_the_log_alone(store):
    before = {path: path.read_bytes() for path in files(store) if path.name not in {log.LOG, log.HEAD}}
    report = examined(store)
    assert (report.problems, report.notes, report.new) == ((), (), 0)
    assert {path: path.read_bytes() for path in files(store) if path.name not in {log.LOG, log.HEAD}} == before


def files(store: Store) -> list[Path]:
    return sorted(path for path in store.path.rglob("*") if path.is_file() and "tmp" not in path.parts)


def test_a_store_that_grows_and_whose_references_move_stays_well(store):
    lock = released(store, "1.2")
    report = examined(store, quick=True)
    assert report.problems == ()
    assert (report.new > 0, report.quick > 0, report.new + report.quick) == (True, True, report.blobs)
    moved = put_image(store, msgspec.structs.replace(lock, os_packages=lock.os_packages), "oci")
    put_evidence(store, lock, "oci", moved)
    assert examined(store).problems == ()


@pytest.mark.parametrize("name", ["tmp/x/file", "quarantine/x", "reports/tiny/index.html", ".lock", "README.md"])
def test_what_belongs_into_a_store_beside_the_archive_is_no_stranger(store, name):
    path = store.path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("x")
    assert examined(store).problems == ()


def writable(path: Path) -> Path:
    path.chmod(0o644)
    return path


def kinds(store: Store) -> dict[str, list[Path]]:
    """Files of an audited store by what they are."""
    found: dict[str, list[Path]] = {
        name: [store.path / name]
        for name in (
            "index.json",
            "oci-layout",
            "audit/log.jsonl",
            "audit/head.json",
            "audit/digests.jsonl",
            "audit/references.json",
        )
    }
    for descriptor in store.references().values():
        manifest = store.manifest(descriptor)
        found.setdefault("manifests", []).append(store.blob_path(descriptor.digest))
        found.setdefault("configurations", []).append(store.blob_path(manifest.config.digest))
        found.setdefault("layers", []).extend(store.blob_path(layer.digest) for layer in manifest.layers)
    return {kind: sorted(set(paths)) for kind, paths in found.items()}


def test_every_flipped_bit_in_every_kind_of_file_is_found_in_full_and_quickly(store):
    random_numbers = random.Random(2040)
    by_kind = kinds(store)
    missed = []
    for number in range(FLIPS):
        kind = list(by_kind)[number % len(by_kind)]
        path = random_numbers.choice(by_kind[kind])
        data = path.read_bytes()
        mode = path.stat().st_mode
        at, bit = random_numbers.randrange(len(data)), random_numbers.randrange(8)
        changed = bytearray(data)
        changed[at] ^= 1 << bit
        audit = {file: file.read_bytes() for file in (store.path / "audit").iterdir()}
        writable(path).write_bytes(changed)
        path.chmod(mode)
        quick = bool(number // len(by_kind) % 2)
        report = examined(store, quick=quick)
        if report.exit_code is not ExitCode.FOUND:
            missed.append((kind, path.name, at, bit, quick))
        for file, content in audit.items():
            file.write_bytes(content)
        writable(path).write_bytes(data)
        path.chmod(mode)
    assert missed == []
    assert examined(store).problems == ()


def a_layer(store: Store) -> Path:
    return store.blob_path(store.manifest(store.find("image/tiny-1.0/sif")).layers[0].digest)


def another_layer(store: Store) -> Path:
    return store.blob_path(store.manifest(store.find("image/tiny-1.1/sif")).layers[0].digest)


def rewrite(path: Path, data: bytes, mode: int = 0o444) -> None:
    writable(path).write_bytes(data)
    path.chmod(mode)


def swap(one: Path, two: Path) -> None:
    first = one.read_bytes()
    rewrite(one, two.read_bytes())
    rewrite(two, first)


DAMAGE: dict[str, tuple[Callable[[Store], object], Code]] = {
    "a blob cut": (lambda s: rewrite(a_layer(s), a_layer(s).read_bytes()[:-1]), Code.BLOB_CUT),
    "a blob emptied": (lambda s: rewrite(a_layer(s), b""), Code.BLOB_CUT),
    "a blob extended": (lambda s: rewrite(a_layer(s), a_layer(s).read_bytes() + b"\0"), Code.BLOB_CUT),
    "a blob changed": (lambda s: rewrite(a_layer(s), a_layer(s).read_bytes().replace(b"s", b"S")), Code.BLOB_DAMAGED),
    "a blob deleted": (lambda s: a_layer(s).unlink(), Code.BLOB_MISSING),
    "a blob renamed": (lambda s: a_layer(s).rename(a_layer(s).with_name("0" * 64)), Code.BLOB_DAMAGED),
    "a blob copied under another name": (
        lambda s: shutil.copy(a_layer(s), a_layer(s).with_name("f" * 64)), Code.BLOB_DAMAGED
    ),
    "a blob renamed to no digest": (lambda s: a_layer(s).rename(a_layer(s).with_suffix(".bak")), Code.BLOB_STRANGER),
    "a blob that can be written": (lambda s: a_layer(s).chmod(0o644), Code.BLOB_MODE),
    "a blob a folder": (lambda s: (a_layer(s).unlink(), a_layer(s).mkdir()), Code.BLOB_STRANGER),
    "a blob a link": (lambda s: (p := a_layer(s), p.unlink(), p.symlink_to("/dev/null")), Code.BLOB_STRANGER),
    "two blobs swapped": (lambda s: swap(a_layer(s), another_layer(s)), Code.BLOB_DAMAGED),
    "a file beside the index": (lambda s: (s.path / "index.json.bak").write_text("x"), Code.STRANGER),
    "a folder in blobs": (lambda s: (s.path / "blobs/sha512").mkdir(), Code.STRANGER),
    "the layout file gone": (lambda s: (s.path / "oci-layout").unlink(), Code.LAYOUT_DAMAGED),
    "the layout file of another version": (
        lambda s: (s.path / "oci-layout").write_text('{"imageLayoutVersion":"2.0.0"}'), Code.LAYOUT_DAMAGED
    ),
    "the index gone": (lambda s: (s.path / "index.json").unlink(), Code.INDEX_DAMAGED),
    "the index no JSON": (lambda s: (s.path / "index.json").write_text("{"), Code.INDEX_DAMAGED),
    "the index no UTF-8": (lambda s: (s.path / "index.json").write_bytes(b'{"mediaType":"\xb2"}'), Code.INDEX_DAMAGED),
    "the index without a newline": (
        lambda s: (s.path / "index.json").write_bytes((s.path / "index.json").read_bytes()[:-1]), Code.INDEX_SPELLING
    ),
    "the record of digests gone": (lambda s: (s.path / "audit/digests.jsonl").unlink(), Code.RECORD_MISSING),
    "the record of references gone": (lambda s: (s.path / "audit/references.json").unlink(), Code.RECORD_MISSING),
    "the record of digests emptied": (lambda s: (s.path / "audit/digests.jsonl").write_text(""), Code.RECORD_DAMAGED),
    "the log gone": (lambda s: (s.path / "audit/log.jsonl").unlink(), Code.LOG_CUT),
    "the head gone": (lambda s: (s.path / "audit/head.json").unlink(), Code.HEAD_MISSING),
}  # fmt: skip


@pytest.mark.parametrize("quick", [False, True], ids=["full", "quick"])
@pytest.mark.parametrize("what", DAMAGE)
def test_damage_is_found_by_its_code(store, what, quick):
    do, code = DAMAGE[what]
    do(store)
    report = examined(store, quick=quick)
    assert code in codes(report)
    assert report.exit_code is ExitCode.FOUND


def edit_index(store: Store, edit: Callable[[list[dict]], object]) -> None:
    """Change the index as one who knows how it is spelled."""
    index = json.loads((store.path / "index.json").read_bytes())
    edit(index["manifests"])
    (store.path / "index.json").write_bytes(documents.readable(index))


def exchange(store: Store, one: str, two: str) -> None:
    def edit(manifests: list[dict]) -> None:
        by_name = {entry["annotations"][oci.REF_NAME]: entry for entry in manifests}
        by_name[one]["annotations"][oci.REF_NAME], by_name[two]["annotations"][oci.REF_NAME] = two, one
        manifests.sort(key=lambda entry: entry["annotations"][oci.REF_NAME])

    edit_index(store, edit)


PAIRS = [
    ("tiny-1.0", "tiny-1.1"),
    ("image/tiny-1.0/sif", "image/tiny-1.1/sif"),
    ("image/tiny-1.0/vm", "image/tiny-1.1/vm"),
    ("inputs/tiny-1.0", "inputs/tiny-1.1"),
    ("validation/tiny-1.0/oci", "validation/tiny-1.1/oci"),
    ("validation/tiny-1.0/oci", "validation/tiny-1.0/vm"),
    ("results/tiny-1.0/oci", "results/tiny-1.1/oci"),
    ("results/tiny-1.0/sif", "results/tiny-1.0/vm"),
    ("rebuild/tiny-1.0/20261101T030000Z-", "rebuild/tiny-1.0/20261102T030000Z-"),
    ("stage/os/", "stage/boss/"),
]


@pytest.mark.parametrize("pair", PAIRS)
def test_two_references_exchanged_are_found_even_where_nobody_audited_before(unaudited, pair):
    one, two = (next(name for name in sorted(unaudited.references()) if name.startswith(begin)) for begin in pair)
    exchange(unaudited, one, two)
    assert Code.REFERENCE_MISNAMED in codes(examined(unaudited))


def test_any_two_references_exchanged_are_found_after_an_audit(store):
    names = sorted(store.references())
    index = (store.path / "index.json").read_bytes()
    random_numbers = random.Random(1)
    for _ in range(25):
        exchange(store, *random_numbers.sample(names, 2))
        report = examined(store, quick=True)
        assert {Code.REFERENCE_EXCHANGED, Code.REFERENCE_DIFFERS} & codes(report)
        (store.path / "index.json").write_bytes(index)


def take_out(name: str) -> Callable[[list[dict]], None]:
    def edit(manifests: list[dict]) -> None:
        manifests[:] = [entry for entry in manifests if entry["annotations"][oci.REF_NAME] != name]

    return edit


def rename(name: str, other: str) -> Callable[[list[dict]], None]:
    def edit(manifests: list[dict]) -> None:
        next(e for e in manifests if e["annotations"][oci.REF_NAME] == name)["annotations"][oci.REF_NAME] = other

    return edit


def change(name: str, **fields: object) -> Callable[[list[dict]], None]:
    def edit(manifests: list[dict]) -> None:
        next(e for e in manifests if e["annotations"][oci.REF_NAME] == name).update(fields)

    return edit


INDEX_EDITS: dict[str, tuple[Callable[[list[dict]], object], Code]] = {
    "a reference taken out": (take_out("inputs/tiny-1.0"), Code.REFERENCE_GONE),
    "a builder image renamed": (rename("builder/one", "builder/two"), Code.REFERENCE_RENAMED),
    "a release renamed": (rename("tiny-1.0", "tiny-1.9"), Code.REFERENCE_MISNAMED),
    "a reference doubled": (lambda m: m.append(m[0]), Code.REFERENCE_TWICE),
    "a reference without a name": (lambda m: m[0].pop("annotations"), Code.INDEX_DAMAGED),
    "another artifact type": (change("inputs/tiny-1.0", artifactType="application/x"), Code.REFERENCE_DIFFERS),
    "another size": (change("tiny-1.0", size=7), Code.BLOB_CUT),
    "a digest that is none": (change("tiny-1.0", digest="sha256:x"), Code.INDEX_DAMAGED),
    "a manifest that is not there": (
        change("inputs/tiny-1.0", digest="sha256:" + "1" * 64), Code.BLOB_MISSING
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", INDEX_EDITS)
def test_an_index_that_was_edited_with_skill_is_found(store, what):
    edit, code = INDEX_EDITS[what]
    edit_index(store, edit)
    assert code in codes(examined(store))


def test_a_reference_that_is_gone_is_missed_until_the_log_says_that_it_was_deleted(store):
    descriptor = store.find("results/tiny-1.0/oci")
    store.remove_reference("results/tiny-1.0/oci")
    for _ in range(2):
        assert codes(examined(store, quick=True)) == {Code.REFERENCE_GONE}
    gone = Happening(EventType.DELETION, "old results", Outcome.SUCCESS, objects=[descriptor.digest])
    log.append(store.path, gone, now=NOW)
    for _ in range(2):
        assert codes(examined(store, quick=True)) == set()


def put(store: Store, manifest: oci.Manifest, name: str) -> None:
    store.put_manifest(manifest, name)


def stored(store: Store, name: str) -> oci.Manifest:
    return store.manifest(store.find(name))


def annotated(store: Store, name: str, **annotations: str | None) -> oci.Manifest:
    manifest = stored(store, name)
    given = {f"boss-builder.{key.replace('_', '-')}": text for key, text in annotations.items()}
    merged = {key: text for key, text in {**manifest.annotations, **given}.items() if text is not None}
    return msgspec.structs.replace(manifest, annotations=merged)


def lock_of(store: Store, name: str) -> str:
    return stored(store, name).annotations["boss-builder.lock"]


def no_lock(store: Store) -> str:
    return str(store.put(b'{"version": 1}'))


def later_lock(store: Store) -> str:
    return str(store.put(b'{"version": 2, "anything": 1}'))


WRONG_IMAGES: dict[str, tuple[Callable[[Store], oci.Manifest], Code]] = {
    "no lock": (lambda s: annotated(s, "tiny-1.0", lock=None), Code.LOCK_MISSING),
    "a lock that is not there": (lambda s: annotated(s, "tiny-1.0", lock="sha256:" + "1" * 64), Code.LOCK_MISSING),
    "a lock that is no digest": (lambda s: annotated(s, "tiny-1.0", lock="none"), Code.LOCK_MISSING),
    "a lock that is none": (lambda s: annotated(s, "tiny-1.0", lock=no_lock(s)), Code.LOCK_DAMAGED),
    "a lock of a later version": (lambda s: annotated(s, "tiny-1.0", lock=later_lock(s)), Code.LOCK_DAMAGED),
    "the lock of another release": (
        lambda s: annotated(s, "tiny-1.0", lock=lock_of(s, "tiny-1.1")), Code.REFERENCE_MISNAMED
    ),
    "another builder image than the lock's": (
        lambda s: annotated(s, "tiny-1.0", builder_image="sha256:" + "1" * 64), Code.LOCK_DIFFERS
    ),
    "no builder image": (lambda s: annotated(s, "tiny-1.0", builder_image=None), Code.LOCK_DIFFERS),
    "a subject that is not there": (
        lambda s: msgspec.structs.replace(
            stored(s, "tiny-1.0"),
            subject=oci.Descriptor(media_type=oci.MANIFEST, digest="sha256:" + "1" * 64, size=3),
        ),
        Code.SUBJECT_MISSING,
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG_IMAGES)
def test_an_image_that_does_not_match_its_lock_is_found(store, what):
    make, code = WRONG_IMAGES[what]
    put(store, make(store), "tiny-1.0")
    assert code in codes(examined(store, quick=True))


def test_a_builder_image_that_is_gone_is_missed(store):
    descriptor = store.find("builder/one")
    store.remove_reference("builder/one")
    store.blob_path(descriptor.digest).unlink()
    assert Code.BUILDER_IMAGE_MISSING in codes(examined(store))


def test_the_record_of_digests_is_made_anew_after_it_was_moved_away_and_that_is_told_once(store):
    (store.path / "audit/digests.jsonl").rename(store.path / "audit/digests.old")
    report = examined(store, quick=True)
    assert (codes(report), report.new) == ({Code.RECORD_MISSING}, report.blobs)
    assert codes(examined(store, quick=True)) == set()


def test_a_damaged_record_is_told_and_stays_as_it_is(store):
    path = store.path / "audit/digests.jsonl"
    rewrite(path, path.read_bytes().replace(b'"md5":"', b'"md5":"0', 1), 0o644)
    before = path.read_bytes()
    for quick in (False, True):
        report = examined(store, quick=quick)
        assert (Code.RECORD_DAMAGED in codes(report), report.quick) == (True, 0)
        assert path.read_bytes() == before


def test_a_wrong_md5_that_the_log_vouches_for_is_found_by_a_full_audit(unaudited):
    """As where md5 or blake3 went wrong when they were first taken."""
    from builder.audit import known_digests, record

    examined(unaudited)
    folder = unaudited.path / "audit"
    data = (folder / "digests.jsonl").read_bytes()
    at = data.index(b'"md5":"') + 7
    wrong = data[:at] + (b"1" if data[at : at + 1] == b"0" else b"0") + data[at + 1 :]
    with log.writing(unaudited.path):
        record.replace(
            folder,
            known_digests.NAME,
            lambda stream: stream.write(wrong),
            lambda d: Happening(EventType.DIGEST_CALCULATION, "", Outcome.SUCCESS, facts={known_digests.NAME: str(d)}),
            NOW,
        )
    assert codes(examined(unaudited)) == {Code.RECORD_DIFFERS}
    assert codes(examined(unaudited, quick=True)) == set()


def test_a_log_that_is_damaged_is_told_and_not_added_to(store):
    path = store.path / "audit/log.jsonl"
    path.write_bytes(path.read_bytes().replace(b"success", b"failure", 1))
    before = path.read_bytes()
    report = examined(store)
    assert (report.events, path.read_bytes()) == ((), before)
    assert "nothing was logged" in report.not_logged
    assert report.exit_code is ExitCode.FOUND


def test_a_torn_log_is_a_note_and_the_audit_mends_it(store):
    path = store.path / "audit/log.jsonl"
    with path.open("ab") as stream:
        stream.write(b'{"eventDateTime":"2040')
    report = examined(store)
    assert ([one.code for one in report.notes], report.exit_code) == ([Code.LOG_TORN], ExitCode.OK)
    assert report.events[0].event_type is EventType.RECOVERY
    assert log.read(store.path).notes == ()


@given(st.text("0123456789abcdef", min_size=64, max_size=64), st.integers(1, 400))
def test_a_blob_is_in_exactly_one_part(name, of):
    assert [number for number in range(1, of + 1) if name in Part(number, of)] == [int(name[:8], 16) * of // 2**32 + 1]


def test_twelve_parts_read_every_blob_once_and_the_log_says_which_was_done_when(unaudited):
    reports = [examined(unaudited, part=Part(number, 12)) for number in range(1, 13)]
    number = len(list((unaudited.path / "blobs/sha256").iterdir()))
    assert sum(report.blobs for report in reports) == sum(report.new for report in reports) == number
    assert all(report.problems == () for report in reports)
    done = [
        e.event_detail_extension.get("part") for e in log.read(unaudited.path).events if e.event_type == "fixity check"
    ]
    assert done == [f"{number}/12" for number in range(1, 13)]
    damage(unaudited, "sha256:" + a_layer(unaudited).name)
    a_layer(unaudited).chmod(0o444)
    found = [number for number in range(1, 13) if codes(examined(unaudited, part=Part(number, 12)))]
    assert found == [int(a_layer(unaudited).name[:8], 16) * 12 // 2**32 + 1]


@pytest.mark.parametrize("text", ["0/12", "13/12", "1", "1/0", "a/b", "1/12 ", "-1/12", "1/12/3", ""])
def test_what_is_no_part_is_refused(text):
    with pytest.raises(ValueError, match="write 1/12"):
        Part.parse(text)


def test_a_release_alone_is_examined_with_all_that_it_stands_on(store):
    report = examined(store, "tiny-1.0")
    assert report.problems == ()
    named = [name for name in store.references() if "tiny-1.0" in name]
    assert report.references == len(named) + len(["builder/one", "stage/os", "stage/boss"])
    assert 0 < report.blobs < len(list((store.path / "blobs/sha256").iterdir()))
    assert [event.event_detail_extension["releases"] for event in report.events] == ["tiny-1.0", "tiny-1.0"]


@pytest.mark.parametrize("data", [b"{", b'{"mediaType":"\xb2"}', b"[" * 100_000, b""])
def test_of_an_index_that_can_not_be_read_a_release_is_not_called_unknown(store, data):
    (store.path / "index.json").write_bytes(data)
    report = examined(store, "tiny-1.0")
    assert (codes(report), report.exit_code) == ({Code.INDEX_DAMAGED}, ExitCode.FOUND)


def test_damage_to_another_release_does_not_concern_one(store):
    rewrite(another_layer(store), b"x" * another_layer(store).stat().st_size)
    assert codes(examined(store, "tiny-1.0")) == set()
    for names in (("tiny-1.1",), RELEASES):
        assert codes(examined(store, *names)) == {Code.BLOB_DAMAGED}


@pytest.mark.parametrize("name", ["inputs/tiny-1.0", "builder/one", "stage/boss/", "validation/tiny-1.0/vm"])
def test_damage_to_anything_that_a_release_stands_on_concerns_it(store, name):
    full = next(one for one in store.references("stage/boss/" if name == "stage/boss/" else name))
    if name == "stage/boss/":
        from builder.audit.reach import references_of

        full = next(one for one in references_of(store, store.references(), ["tiny-1.0"]) if one.startswith(name))
    path = store.blob_path(stored(store, full).layers[-1].digest)
    rewrite(path, bytes(path.stat().st_size))
    assert codes(examined(store, "tiny-1.0")) == {Code.BLOB_DAMAGED}


def test_no_such_release_and_no_such_store_are_the_inputs_fault(store, tmp_path):
    with pytest.raises(InputFailure, match=r"nothing of tiny-9"):
        examined(store, "tiny-9")
    with pytest.raises(InputFailure, match="is not a store"):
        examined(Store(tmp_path / "nowhere"))
    assert not (tmp_path / "nowhere").exists()


def test_a_store_that_can_not_be_written_is_audited_and_it_is_said_that_nothing_was_logged(store):
    shutil.rmtree(store.path / "audit")
    (store.path / "audit").write_text("a file in the place of the folder")
    before = files(store)
    report = examined(store)
    assert "can not be written" in report.not_logged
    assert files(store) == before


def test_every_code_is_in_the_table_and_says_something():
    assert set(TABLE) == set(Code)
    assert all(meaning and hint for meaning, hint in TABLE.values())


def test_audits_at_once_lose_nothing(unaudited):
    script = """
        import sys
        from pathlib import Path
        from builder.store.store import Store
        from builder.audit.examine import Asked, Part, audit
        from tests.unit.audit.archive import examined
        for number in (1, 2, 3):
            report = examined(Store(Path(sys.argv[1])), part=Part(number, 3) if sys.argv[2] == "part" else None)
            assert report.problems == (), report.problems
    """
    words = [
        [sys.executable, "-c", textwrap.dedent(script), str(unaudited.path), how] for how in ("part", "all", "all")
    ]
    root = Path(__file__).parents[3]
    running = [subprocess.Popen(one, cwd=root, env={**os.environ, "PYTHONPATH": str(root)}) for one in words]
    assert [process.wait() for process in running] == [0, 0, 0]
    report = examined(unaudited, quick=True)
    assert (report.problems, report.quick) == ((), report.blobs)


class Overtaken(NoProgress):
    """Progress of an audit that does something else, to its end, once it has begun to read blobs."""

    def __init__(self, meanwhile: Callable[[], object]) -> None:
        self._meanwhile = meanwhile

    @contextmanager
    def task(self, title: str, total: int = 0, unit: str = "B") -> Iterator[Task]:
        with super().task(title, total, unit) as task:
            yield task
        self._meanwhile()


def first_audit(store: Store) -> None:
    assert examined(store).problems == ()


def audit_of_more(store: Store) -> None:
    """A build of another release, whose references and blobs are new, and an audit that records them."""
    released(store, "1.2")
    assert examined(store).problems == ()


@pytest.mark.parametrize(
    ("fixture", "meanwhile"), [("unaudited", first_audit), ("store", audit_of_more)], ids=["the first", "a later one"]
)
def test_an_audit_that_another_one_overtakes_does_not_take_its_records_for_damaged(request, fixture, meanwhile):
    store: Store = request.getfixturevalue(fixture)
    report = audit(store, Asked(), Overtaken(lambda: meanwhile(store)), Clock(), 2)
    assert (report.problems, report.not_logged) == ((), "")
    recorded = json.loads((store.path / "audit/references.json").read_bytes())
    assert recorded == {name: one.digest for name, one in store.references().items()}
    assert examined(store, quick=True).problems == ()


def test_an_audit_misses_what_another_one_recorded_and_somebody_took_out_meanwhile(store):
    def meanwhile() -> None:
        audit_of_more(store)
        store.remove_reference("inputs/tiny-1.2")

    report = audit(store, Asked(), Overtaken(meanwhile), Clock(), 2)
    assert [(one.code, one.about) for one in report.problems] == [(Code.REFERENCE_GONE, "inputs/tiny-1.2")]
