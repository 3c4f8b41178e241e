"""The plan of a build: keys that depend on everything that matters and on nothing else, and exact rendered text."""

import dataclasses
import datetime as dt
import io
import tarfile
from pathlib import Path

import msgspec
import pytest

from builder.core.digest import Digest
from builder.core.errors import InputFailure
from builder.inside.canonical import DIRECTORY, HARD_LINK, REGULAR, Entry, write_tar
from builder.lock.model import LOCK_VERSION, Blob, Lock, Repository, RpmPackage, Signature, Source, Verdict
from builder.recipe.fields import FileRef
from builder.recipe.model import (
    Document,
    ExternalLibrary,
    Os,
    Package,
    Puppet,
    Recipe,
    Release,
    RpmRepository,
    RpmSource,
    TarballSource,
)
from builder.recipe.tables import Bookkeeping, CsvTables
from builder.render.context import stripped, write_inputs
from builder.render.plan import dockerfile, plan
from builder.store.store import Store

GOLDEN = Path(__file__).parent / "golden"
TOOLS = Digest.of(b"tools")


def blob(text: str) -> Blob:
    return Blob(digest=Digest.of(text.encode()), size=len(text))


def package(name: str, content: str = "") -> RpmPackage:
    return RpmPackage(
        name=name,
        epoch=0,
        version="1",
        release="1",
        architecture="noarch",
        location=f"Packages/{name}-1-1.noarch.rpm",
        blob=blob(content or name),
        signature=Signature(verdict=Verdict.GOOD, key_id="0123456789abcdef"),
    )


RECIPE = Recipe(
    release=Release(name="Tiny", version="1.0", title="Tiny 1.0", date=dt.date(2020, 3, 1), license="MIT"),
    os=Os(
        family="tiny",
        version="1",
        architecture="x86_64",
        packages=("shell",),
        date=dt.date(2020, 1, 1),
        rpm_repository=(RpmRepository(name="os", url="http://vault.example/os"),),
    ),
    puppet=Puppet(manifest=FileRef("base", "puppet/site.pp"), modules=(FileRef("base", "puppet/modules/node"),)),
    external_library=(
        ExternalLibrary(
            name="table",
            version="2",
            source=TarballSource(url="http://vault.example/t.tar", sha256="0" * 64, strip_components=1),
            install_to="/opt/table",
            environment={"TABLE": "/opt/table"},
        ),
    ),
    package=Package(
        name="boss",
        source=RpmSource(url="http://vault.example/boss", packages=("boss",)),
        environment={"BES_RELEASE": 'a "quoted" $value'},
    ),
    document=(Document(name="notes", file=FileRef("tiny", "documents/notes.md")),),
)


def lock(**changes) -> Lock:
    repository = Repository(
        name="os",
        url="http://vault.example/os",
        revision="1",
        metadata={},
        signature=Signature(verdict=Verdict.UNSIGNED),
        keys=(),
        packages=(package("shell"), package("boss")),
    )
    value = Lock(
        version=LOCK_VERSION,
        recipe=RECIPE,
        recipe_files={"tiny": blob("text")},
        builder_image=blob("builder"),
        repositories=(repository,),
        os_packages=("shell-0:1-1.noarch",),
        boss_packages=("boss-0:1-1.noarch",),
        frozen_repository={"repomd.xml": blob("repomd")},
        sources={
            "puppet.manifest": Source(source="base/puppet/site.pp", blob=blob("site"), kind="file"),
            "puppet.module.node": Source(source="base/puppet/modules/node", blob=blob("node"), kind="directory"),
            "external_library.table": Source(source="http://vault.example/t.tar", blob=blob("table"), kind="tarball"),
            "document.notes": Source(source="tiny/documents/notes.md", blob=blob("notes"), kind="file"),
        },
    )
    return msgspec.structs.replace(value, **changes)


def keys(value: Lock, tools: Digest = TOOLS) -> dict[str, str]:
    return {stage.name: stage.key for stage in plan(value, tools).stages}


def changed(one: dict[str, str], two: dict[str, str]) -> list[str]:
    return [name for name in one if one[name] != two[name]]


def test_the_stages_come_in_the_order_of_the_root():
    assert list(keys(lock())) == ["os", "site", "library-table", "boss"]


def test_a_change_renews_its_own_stage_and_those_above_it():
    before = keys(lock())
    sources = lock().sources

    def with_source(key: str) -> Lock:
        return lock(sources=sources | {key: msgspec.structs.replace(sources[key], blob=blob("changed"))})

    assert changed(before, keys(with_source("document.notes"))) == ["boss"]
    assert changed(before, keys(with_source("external_library.table"))) == ["library-table", "boss"]
    assert changed(before, keys(with_source("puppet.module.node"))) == ["site", "library-table", "boss"]
    assert changed(before, keys(lock(builder_image=blob("other")))) == list(before)
    assert changed(before, keys(lock(), Digest.of(b"other tools"))) == list(before)


def test_what_does_not_enter_the_bytes_does_not_enter_the_keys():
    before = keys(lock())
    (repository,) = lock().repositories
    elsewhere = msgspec.structs.replace(repository, url="http://mirror.example/os", revision="2")
    assert changed(before, keys(lock(repositories=(elsewhere,)))) == []
    retitled = msgspec.structs.replace(RECIPE.release, title="Another title", license="another")
    assert changed(before, keys(lock(recipe=msgspec.structs.replace(RECIPE, release=retitled)))) == []


def test_releases_of_other_days_share_all_but_their_own_stage():
    later = msgspec.structs.replace(RECIPE.release, date=dt.date(2021, 1, 1), version="1.1")
    assert changed(keys(lock()), keys(lock(recipe=msgspec.structs.replace(RECIPE, release=later)))) == ["boss"]


def golden(name: str, text: str) -> None:
    """Compare with the reviewed text; after a change on purpose, write the new text over it and review that."""
    assert text == (GOLDEN / name).read_text("utf-8")


def test_the_rendered_texts_are_the_reviewed_ones():
    planned = plan(lock(), TOOLS)
    golden("Dockerfile", dockerfile(planned, "sha256:" + "1" * 64))
    texts = {i.path: i.text for stage in planned.stages for i in stage.inputs if i.text}
    golden("apply.sh", texts["site/apply.sh"])
    golden("install.sh", texts["boss/install.sh"])


def with_bookkeeping(content: Blob, install_to: str = "/opt/boss/db/offlinedb.db") -> Lock:
    source = CsvTables(table=FileRef("tiny", "CalVtxLumVer.csv"))
    recipe = msgspec.structs.replace(RECIPE, bookkeeping=Bookkeeping(source=source, install_to=install_to))
    kept = Source(source="snapshot://Tiny-1.0/offlinedb.db", blob=content, kind="snapshot")
    return lock(recipe=recipe, sources=lock().sources | {"bookkeeping": kept})


def test_the_snapshot_of_the_bookkeeping_renews_the_stage_of_boss_alone():
    before = keys(with_bookkeeping(blob("one")))
    assert changed(keys(lock()), before) == ["boss"]
    assert changed(before, keys(with_bookkeeping(blob("two")))) == ["boss"]
    assert changed(before, keys(with_bookkeeping(blob("one"), "/opt/x.db"))) == ["boss"]


def test_the_snapshot_comes_after_the_packages_to_its_place():
    (*_, boss) = plan(with_bookkeeping(blob("one")), TOOLS).stages
    *_, last = boss.instructions.strip().splitlines()
    assert last == "ADD boss/bookkeeping/offlinedb.db.tar /opt/boss/db/"
    golden("bookkeeping.Dockerfile", boss.instructions)


def entry(path: str, kind: bytes = REGULAR, link: str = "") -> tuple:
    return Entry(path.encode(), kind, 0o600, 5, 5, 7, link=link.encode()), None


def test_leading_parts_are_dropped_as_tar_drops_them():
    contents = [entry("top", DIRECTORY), entry("top/a"), entry("top/b", HARD_LINK, "top/a"), entry("top/d", DIRECTORY)]
    found = [(e.path, e.link, oct(e.mode), e.uid) for e, _ in stripped(contents, 1)]
    assert found == [(b"a", b"", "0o600", 0), (b"b", b"a", "0o600", 0), (b"d", b"", "0o755", 0)]


def test_a_path_that_climbs_out_of_its_archive_is_refused():
    with pytest.raises(ValueError, match="leaves the archive"):
        list(stripped([entry("a/../../etc/passwd")], 0))


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(tmp_path / "images")


def stage_with_library(store: Store, archive: bytes):
    digest = store.put(archive)
    source = Source(source="http://x/t.tar", blob=Blob(digest=digest, size=len(archive)), kind="tarball")
    planned = plan(lock(sources=lock().sources | {"external_library.table": source}), TOOLS)
    return next(stage for stage in planned.stages if stage.name == "library-table")


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_an_archive_in_any_compression_gives_the_same_context(store, tmp_path, mode):
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode=mode) as archive:
        info = tarfile.TarInfo("table-2/data")
        info.size, info.mtime = 4, 99
        archive.addfile(info, io.BytesIO(b"data"))
    write_inputs(stage_with_library(store, sink.getvalue()), store, tmp_path / "context")
    expected = io.BytesIO()
    write_tar([(Entry(b"data", REGULAR, 0o644, 0, 0, 99, 4), lambda: io.BytesIO(b"data"))], expected)
    assert (tmp_path / "context/library-table/tree.tar").read_bytes() == expected.getvalue()


def test_the_snapshot_stands_in_its_context_for_nobody_to_write(store, tmp_path):
    content = Blob(digest=store.put(b"SQLite"), size=6)
    (*_, stage) = plan(with_bookkeeping(content), TOOLS).stages
    alone = dataclasses.replace(stage, inputs=tuple(i for i in stage.inputs if "bookkeeping" in i.path))
    write_inputs(alone, store, tmp_path / "context")
    with tarfile.open(tmp_path / "context/boss/bookkeeping/offlinedb.db.tar") as archive:
        (member,) = archive.getmembers()
        assert (member.name, oct(member.mode), member.uid, member.mtime) == ("offlinedb.db", "0o444", 0, stage.epoch)
        assert archive.extractfile(member).read() == b"SQLite"


@pytest.mark.parametrize("data", [b"", b"no archive", b"\x1f\x8b\x08\x00broken"])
def test_what_is_no_archive_is_the_inputs_fault(store, tmp_path, data):
    with pytest.raises(InputFailure, match="can not be read"):
        write_inputs(stage_with_library(store, data), store, tmp_path / "context")
