"""Rebuilding from what was frozen: a clean run is bit-identical, and what is broken comes out as exactly its cause.

Things are really broken: packages that write the time, random numbers or another order; a package that fails or hangs
from a certain second on; a store without room; blobs that are damaged or gone; results that changed.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from builder.store import oci
from builder.store.store import Store
from builder.store.verify import verify
from tests.integration.spine import Workplace
from tests.integration.tiny_release import SAMPLES, Quirk, must, tiny_releases
from tests.unit.validation.measured import encoded, histograms

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("rebuild")]
SHARE = "/opt/boss/share"
LATER = 180
"""Seconds after which the two bombs go off: time enough to freeze and build them before."""


@pytest.fixture(scope="module")
def releases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workplace]:
    until = int(time.time()) + LATER
    late = f"test $(date +%s) -lt {until} && exit 0"
    quirks = {
        "fails": Quirk(post=f"{late}\necho the licence server is gone >&2\nexit 1"),
        "hangs": Quirk(post=f"{late}\nsleep 600"),
        "good": Quirk(validation=SAMPLES, files={f"{SHARE}/result.json": encoded(histograms()).decode()}),
        "stamp": Quirk(post=f"mkdir -p {SHARE}; echo built on $(date -u) > {SHARE}/built"),
        "shuffle": Quirk(post=f"mkdir -p {SHARE}; seq 100 | shuf > {SHARE}/list"),
        "random": Quirk(post=f"mkdir -p {SHARE}; head -c 4096 /dev/urandom > {SHARE}/data"),
        "shell-less": Quirk(post="rm -f /usr/bin/sh /bin/sh"),
    }
    with tiny_releases(tmp_path_factory.mktemp("rebuild"), quirks) as work:
        must(work.run("validate", "good-1.0"))
        work.bombs_go_off = until  # type: ignore[attr-defined]
        yield work


def copied(releases: Workplace, folder: Path) -> Workplace:
    """A copy that may be changed; its blobs are second names of the first one's (see `own_blob`)."""
    return releases.copy(folder)


def rebuilt(work: Workplace, release: str, code: int, *words: str, prefix: tuple[str, ...] = ()) -> dict[str, Any]:
    """Rebuild; gives the one run, as JSON."""
    ran = work.run("rebuild", release, "--json", *words, prefix=prefix)
    assert ran.code == code, ran.err + ran.out
    assert "Traceback" not in ran.err
    (run,) = ran.json["runs"]
    return run


def faults(run: dict[str, Any]) -> list[str]:
    """Causes of what is wrong, in their order."""
    return [
        f["cause"] for answer in run["answers"] for f in answer["findings"] if f["severity"] not in {"none", "note"}
    ]


def causes(run: dict[str, Any]) -> list[str]:
    return [f["cause"] for answer in run["answers"] for f in answer["findings"]]


def found(run: dict[str, Any], cause: str) -> dict[str, Any]:
    return next(f for answer in run["answers"] for f in answer["findings"] if f["cause"] == cause)


def own_blob(store: Store, digest: str) -> Path:
    """Path of a blob that no other store shares any more."""
    path = store.blob_path(digest)
    data = path.read_bytes()
    path.unlink()
    path.write_bytes(data)
    return path


def damage(store: Store, digest: str) -> None:
    path = own_blob(store, digest)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


# -- well ----------------------------------------------------------------------------------------------------------


def test_a_clean_run_is_bit_identical_and_leaves_the_store_as_it_was(releases: Workplace, tmp_path: Path) -> None:
    before = set(releases.store.references())
    run = rebuilt(releases, "good-1.0", 0, "--report", str(tmp_path / "report"))
    assert faults(run) == []
    assert "COMPARE/bit-identical" in causes(run)
    (answer,) = run["answers"]
    assert answer["stored"] == answer["rebuilt"] != ""
    assert any("stands in for" in note for note in run["stands_in_for"])
    added = set(releases.store.references()) - before
    assert [name.rpartition("/")[0] for name in added] == ["rebuild/good-1.0"]
    assert verify(releases.store) == ()
    assert {p.name for p in (tmp_path / "report").iterdir()} >= {
        "index.html",
        "junit.xml",
        "report.json",
        "summary.txt",
    }


def test_the_network_and_the_upstream_are_not_needed(releases: Workplace) -> None:
    """Without any network, but for the engine's socket, the answer is the same."""
    ran = releases.run("rebuild", "stamp-1.0", "--without-validation", prefix=("unshare", "--net"))
    assert "COMPARE content-differs" in ran.out, ran.err
    assert ran.code == 1


def test_in_2040_it_is_the_same(releases: Workplace) -> None:
    run = rebuilt(releases, "good-1.0", 0, "--without-validation", prefix=("faketime", "2040-01-01 12:00:00"))
    assert run["began"].startswith("2040-01-01")
    assert "COMPARE/bit-identical" in causes(run)


# -- compare -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("release", "path", "kind"),
    [
        ("stamp-1.0", "opt/boss/share/built", "time"),
        ("shuffle-1.0", "opt/boss/share/list", "order"),
        ("random-1.0", "opt/boss/share/data", "content"),
    ],
)
def test_a_build_that_is_not_reproducible_is_named_with_its_file(
    releases: Workplace, release: str, path: str, kind: str
) -> None:
    run = rebuilt(releases, release, 1, "--without-validation")
    assert faults(run) == ["COMPARE/content-differs"]
    finding = found(run, "COMPARE/content-differs")
    (evidence,) = finding["evidence"]
    text = releases.store.read(evidence).decode()
    assert path in text
    assert kind in text


def test_an_image_without_a_stored_one_is_unknown(releases: Workplace, tmp_path: Path) -> None:
    work = copied(releases, tmp_path)
    work.store.remove_reference("good-1.0")
    run = rebuilt(work, "good-1.0", 4, "--without-validation")
    assert faults(run) == ["COMPARE/not-compared"]


# -- build ---------------------------------------------------------------------------------------------------------


def test_a_full_disk(releases: Workplace, tmp_path: Path) -> None:
    """What is built does not fit on the file system of the store; nothing that was there is lost."""
    (tmp_path / "small").mkdir()
    size = sum(path.stat().st_size for path in (releases.folder / "images" / "blobs" / "sha256").iterdir())
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size + (24 << 20)}", "small", tmp_path / "small"], check=True, timeout=60
    )
    try:
        work = releases.copy(tmp_path / "small")
        before = set(work.store.references())
        ran = work.run("rebuild", "good-1.0", "--json")
        assert ran.code == 4, ran.err
        assert "Traceback" not in ran.err
        (run,) = ran.json["runs"]
        assert faults(run) == ["BUILD/out-of-resources"]
        assert set(work.store.references()) >= before
        assert verify(work.store) == ()
    finally:
        subprocess.run(["umount", tmp_path / "small"], check=True, timeout=60)


# -- the store -----------------------------------------------------------------------------------------------------


def test_a_damaged_input_is_named_and_nothing_is_built(releases: Workplace, tmp_path: Path) -> None:
    work = copied(releases, tmp_path)
    lock = json.loads(work.lock("good-1.0").read_text())
    package = lock["repositories"][0]["packages"][0]
    damage(work.store, package["blob"]["digest"])
    run = rebuilt(work, "good-1.0", 1)
    assert faults(run) == ["STORE/corrupt"]
    assert package["location"].rpartition("/")[2] in found(run, "STORE/corrupt")["about"]


def test_a_missing_input_is_named(releases: Workplace, tmp_path: Path) -> None:
    work = copied(releases, tmp_path)
    lock = json.loads(work.lock("good-1.0").read_text())
    work.store.blob_path(lock["sources"]["validation.suite"]["blob"]["digest"]).unlink()
    run = rebuilt(work, "good-1.0", 1)
    assert faults(run) == ["STORE/missing"]
    assert "validation.suite" in found(run, "STORE/missing")["about"]


def test_a_damaged_image_is_named_and_the_rebuilt_one_is_still_the_same(releases: Workplace, tmp_path: Path) -> None:
    work = copied(releases, tmp_path)
    image = work.store.find("good-1.0")
    assert image is not None
    damage(work.store, work.store.manifest(image).layers[0].digest)
    run = rebuilt(work, "good-1.0", 1, "--without-validation")
    assert faults(run) == ["STORE/corrupt"]
    assert "COMPARE/bit-identical" in causes(run)


def test_a_damaged_lock_is_told_and_the_other_releases_are_judged(releases: Workplace, tmp_path: Path) -> None:
    work = copied(releases, tmp_path)
    inputs = work.store.find("inputs/good-1.0")
    assert inputs is not None
    damage(work.store, work.store.manifest(inputs).config.digest)
    ran = work.run("rebuild", "good-1.0", "stamp-1.0", "--without-validation", "--json")
    assert ran.code == 1, ran.err
    assert [faults(run) for run in ran.json["runs"]] == [["STORE/corrupt"], ["COMPARE/content-differs"]]


# -- boot and validate ---------------------------------------------------------------------------------------------


def test_an_image_that_does_not_boot(releases: Workplace) -> None:
    run = rebuilt(releases, "shell-less-1.0", 1)
    assert faults(run) == ["BOOT/no-boot"]


def changed_results(work: Workplace, content: dict[str, Any]) -> None:
    """Let the store say that the samples gave something else."""
    store = work.store
    reference = "results/good-1.0/oci"
    descriptor = store.find(reference)
    assert descriptor is not None
    manifest = store.manifest(descriptor)
    config = json.loads(store.read(manifest.config.digest))
    data = encoded(content)
    digest = str(store.put(data))
    config["runs"] = [run | {"digest": digest} for run in config["runs"]]
    said = json.dumps(config).encode()
    layers = tuple(
        oci.Descriptor(media_type=layer.media_type, digest=digest, size=len(data), annotations=layer.annotations)
        for layer in manifest.layers
    )
    store.put_manifest(
        oci.Manifest(
            config=oci.Descriptor(media_type=manifest.config.media_type, digest=str(store.put(said)), size=len(said)),
            layers=layers,
            artifact_type=manifest.artifact_type,
            subject=manifest.subject,
        ),
        reference,
    )


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        (histograms(seed=2), "VALIDATE/differs-within-tolerance"),
        (histograms(shift=0.03), "VALIDATE/differs"),
    ],
    ids=["within", "beyond"],
)
def test_physics_that_changed(releases: Workplace, tmp_path: Path, content: dict[str, Any], cause: str) -> None:
    work = copied(releases, tmp_path)
    changed_results(work, content)
    run = rebuilt(work, "good-1.0", 1)
    assert set(faults(run)) == {cause}
    assert "COMPARE/bit-identical" in causes(run)


def test_the_first_stage_that_fails_is_the_answer(releases: Workplace, tmp_path: Path) -> None:
    """A release that is not reproducible, whose stored image is damaged too: STORE is named first, then COMPARE."""
    work = copied(releases, tmp_path)
    image = work.store.find("random-1.0")
    assert image is not None
    config = work.store.manifest(image).config.digest
    damage(work.store, config)
    run = rebuilt(work, "random-1.0", 1, "--without-validation")
    assert faults(run)[0] == "STORE/corrupt"


# -- the command ---------------------------------------------------------------------------------------------------


def test_side_by_side_is_as_one_after_the_other(releases: Workplace) -> None:
    ran = releases.run("rebuild", "good-1.0", "stamp-1.0", "--jobs", "2", "--json", "--without-validation")
    assert ran.code == 1, ran.err
    assert [(run["release"], faults(run)) for run in ran.json["runs"]] == [
        ("good-1.0", []),
        ("stamp-1.0", ["COMPARE/content-differs"]),
    ]
    built = [line for line in ran.err.splitlines() if "stage os: done" in line]
    assert len(built) == 1, "releases on one base build its stages once"


def test_two_rebuilds_at_once_do_not_disturb_each_other(releases: Workplace) -> None:
    command = ("rebuild", "good-1.0", "--without-validation")
    other = releases.start(*command)
    mine = releases.run(*command)
    assert (mine.code, other.wait(timeout=300)) == (0, 0), mine.err


def test_an_interrupt_leaves_nothing_half_written(releases: Workplace) -> None:
    before = releases.contents()
    process = releases.start("rebuild", "good-1.0")
    time.sleep(6)
    process.terminate()
    assert process.wait(timeout=60) == 130
    assert releases.contents() == before
    assert not [p for p in (releases.folder / "images" / "tmp").iterdir() if p.name.startswith("rebuild-")]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "name a RELEASE, or --all"),
        (("--all", "good-1.0"), "not both"),
        (("nothing-1.0",), "nothing-1.0"),
    ],
)
def test_arguments_that_make_no_sense(releases: Workplace, words: tuple[str, ...], said: str) -> None:
    ran = releases.run("rebuild", *words)
    assert ran.code == 2, ran.err
    assert said in ran.err


# -- what goes wrong from a certain second on; last, so that nobody waits for it -----------------------------------


@pytest.fixture
def bombs(releases: Workplace) -> Workplace:
    time.sleep(max(0.0, releases.bombs_go_off - time.time()))  # type: ignore[attr-defined]
    return releases


def test_a_script_that_fails_today(bombs: Workplace) -> None:
    run = rebuilt(bombs, "fails-1.0", 1)
    assert faults(run) == ["BUILD/fails"]
    (log,) = found(run, "BUILD/fails")["evidence"]
    assert b"the licence server is gone" in bombs.store.read(log)


def test_a_script_that_hangs_today(bombs: Workplace) -> None:
    run = rebuilt(bombs, "hangs-1.0", 1, "--time-limit", "30")
    assert faults(run) == ["BUILD/timeout"]
