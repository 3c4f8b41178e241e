"""The ready-made CI jobs, their shell lines run with the real command, engine and upstream, on a tiny release."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from builder.rebuild.ci_files import SERVICES, Service
from tests.integration.spine import COMMAND, Workplace
from tests.integration.tiny_release import Quirk, must, tiny_releases
from tests.unit.rebuild.ci_jobs import Ran, run_job

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("rebuild")]


@pytest.fixture(scope="module")
def frozen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workplace]:
    """A project whose store is filled; the upstream still answers."""
    with tiny_releases(tmp_path_factory.mktemp("ci"), {"tiny": Quirk()}) as work:
        must(work.run("validate", "tiny-1.0"))
        yield work


def run(service: Service, job: str, work: Workplace, **others: str) -> Ran:
    environment = work.environment() | others
    path = f"{COMMAND.parent}:{environment['PATH']}"
    return run_job(service, job, work.folder, environment | {"PATH": path}, time_limit=600)


def cases(report: Path) -> list[tuple[str | None, str | None, list[str]]]:
    root = ET.parse(report / "junit.xml").getroot()  # noqa: S314 - ours
    return [(c.get("classname"), c.get("name"), [e.tag for e in c]) for c in root.iter("testcase")]


@pytest.mark.parametrize("service", SERVICES)
def test_every_job_of_a_night_is_green_where_all_is_well(service: Service, frozen: Workplace):
    assert run(service, "check", frozen).code == 0
    rebuilt = run(service, "rebuild", frozen)
    assert rebuilt.code == 0, rebuilt.out
    assert "GOOD: all is well with tiny-1.0" in rebuilt.out
    asked = run(service, "upstream", frozen)
    assert asked.code == 0, asked.out
    assert "::warning" not in asked.out
    reports = frozen.folder / "reports"
    for name in ("rebuild", "upstream"):
        assert {"index.html", "junit.xml", "report.json", "summary.txt"} <= {p.name for p in (reports / name).iterdir()}
    assert [case[:2] for case in cases(reports / "rebuild")] == [("tiny-1.0", "oci")]
    assert cases(reports / "upstream") in ([("tiny-1.0", "upstream", tags)] for tags in ([], ["system-out"]))
    shown = frozen.run("history", "tiny-1.0", "--json").json
    assert [one["state"] for one in shown["standings"]] == ["GOOD", "GOOD"]


def test_fill_makes_what_is_not_there_and_keeps_the_lock(frozen: Workplace, tmp_path: Path):
    work = frozen.copy(tmp_path, without="image")
    lock = work.lock("tiny-1.0").read_bytes()
    filled = run("gitlab", "fill", work)
    assert filled.code == 0, filled.out
    assert work.lock("tiny-1.0").read_bytes() == lock
    assert "tiny-1.0" in work.store.references()


def test_an_upstream_that_does_not_answer_is_a_warning(frozen: Workplace, tmp_path: Path):
    work = frozen.copy(tmp_path)
    nowhere = dict.fromkeys(("http_proxy", "HTTP_PROXY"), "http://127.0.0.1:9")
    asked = run("github", "upstream", work, no_proxy="", NO_PROXY="", **nowhere)
    assert asked.code == 0, asked.out
    assert "::warning title=upstream::upstream could not be asked" in asked.out
    assert cases(work.folder / "reports" / "upstream") == [("tiny-1.0", "upstream", ["error"])]
