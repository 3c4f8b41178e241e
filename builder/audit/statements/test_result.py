"""What a validation said of an image, as an in-toto test result.

Source: in-toto/attestation, spec/predicates/test-result.md, v0.1. It knows no UNKNOWN: what is not known to have passed
has failed. A check that does not apply to an image is in none of its lists; the whole result is `validation.json`,
which is named by digest.
"""

from __future__ import annotations

from collections.abc import Iterator

from builder.audit.statements.material import Judged, Material
from builder.audit.statements.provenance import subject
from builder.audit.statements.statement import ResourceDescriptor, named, of_blob, statement
from builder.store import oci
from builder.validation.outcome import CheckOutcome, Evidence, State

PREDICATE = "https://in-toto.io/attestation/test-result/v0.1"


def result(material: Material, judged: Judged) -> bytes | None:
    """Say what was found of an image; None where nothing is known of it."""
    judgement = judged.judgement
    evidence = judgement.evidence if judgement else None
    if judgement is None or evidence is None:
        return None
    configuration = [named("lock", material.lock_digest), of_blob("validation", judgement.descriptor)]
    configuration += [of_blob(layer.annotations.get(oci.TITLE, "file"), layer) for layer in judgement.manifest.layers]
    configuration += [_suite(suite.name, suite.digest, suite.state) for suite in evidence.suites]
    if judged.results is not None:
        configuration.append(of_blob("results", judged.results))
    predicate = {
        "result": "PASSED" if evidence.state is State.PASSED else "FAILED",
        "configuration": configuration,
        "passedTests": [name for name, outcome in _tests(evidence) if outcome is CheckOutcome.PASSED],
        "warnedTests": [],
        "failedTests": [name for name, outcome in _tests(evidence) if outcome is not CheckOutcome.PASSED],
    }
    return statement(subject(material, judged), PREDICATE, predicate)


def _suite(name: str, digest: str, state: State) -> ResourceDescriptor:
    """Name a suite; its digest is that of its files, which is no blob's."""
    return ResourceDescriptor(name=f"suite {name}", annotations={"state": state.value, "suite": digest})


def _tests(evidence: Evidence) -> Iterator[tuple[str, CheckOutcome]]:
    for suite in evidence.suites:
        for check in suite.checks:
            if check.outcome is not CheckOutcome.SKIPPED or check.state is not State.PASSED:
                yield f"{suite.name}/{check.name}", check.outcome
        if suite.problems:
            yield f"{suite.name}/the suite", CheckOutcome.ERROR
