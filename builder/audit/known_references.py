"""The references that the last audit saw, in `audit/references.json`: a name that is gone or exchanged is missed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path

from builder.audit.decoding import decoded
from builder.audit.log import Event, EventType
from builder.audit.problems import AuditProblem, Code

NAME = "references.json"


def read(path: Path) -> dict[str, str]:
    """Read a record: digests of manifests by reference. Raises ValueError where it is none."""
    return decoded(path.read_bytes(), dict[str, str])


def deleted(events: Sequence[Event]) -> frozenset[str]:
    """Digests of all that was taken out of the store since the record was last written, as the log tells."""
    found: set[str] = set()
    for event in reversed(events):
        if NAME in event.event_detail_extension:
            break
        if event.event_type is EventType.DELETION:
            found.update(event.linking_objects)
    return frozenset(found)


def compare(known: Mapping[str, str], present: Mapping[str, str], gone: AbstractSet[str]) -> Iterator[AuditProblem]:
    """Miss what the last audit saw. A reference may move to a new manifest, not to one that another one had.

    `gone` are digests of manifests whose references were taken out on purpose.
    """
    names, held = defaultdict(list), defaultdict(list)
    for name, digest in present.items():
        names[digest].append(name)
    for name, digest in known.items():
        held[digest].append(name)
    for name, digest in sorted(known.items()):
        now = present.get(name)
        if now is None:
            other = next((one for one in names[digest] if one not in known), None)
            if other is not None:
                yield AuditProblem(Code.REFERENCE_RENAMED, name, other)
            elif digest not in gone:
                yield AuditProblem(Code.REFERENCE_GONE, name)
        elif now != digest and held[now] and not any(present.get(one) == now for one in held[now]):
            yield AuditProblem(Code.REFERENCE_EXCHANGED, name, held[now][0])
