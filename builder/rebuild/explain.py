"""What changed on the host between two runs, and what such a change can be the reason of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from builder.rebuild.model import Finding
from builder.rebuild.taxonomy import Stage
from builder.store.shapes import Shape

NONE = "none"
"""What stands for a tool that is not there."""
SETS = {"cpu features"}
"""Names whose value is a set of words: what came and what went is told, not all of it twice."""

_OURS = frozenset({"boss-builder", "python"})
_RESOLVER = _OURS | {"programs", "builder image"}
_BUILD = _RESOLVER | {"engine", "kernel", "cpu model", "cpu features", "cpus", "apptainer"}
_MACHINE = _BUILD | {"qemu"}
EXPLAINED_BY: dict[Stage, frozenset[str]] = {
    Stage.FETCH: _OURS,
    Stage.TRUST: _RESOLVER,
    Stage.RESOLVE: _RESOLVER,
    Stage.STORE: _OURS,
    Stage.BUILD: _BUILD,
    Stage.COMPARE: _BUILD,
    Stage.BOOT: _MACHINE,
    Stage.VALIDATE: _MACHINE,
    Stage.HOST: _MACHINE,
}
"""Parts of the environment that have a hand in what a stage finds.

Upstream is asked by boss-builder itself, and judged by gpg, rpm and dnf of the builder image; neither kernel nor
processor has a part in it. A machine runs on all of the host.
"""
ONLY_FOR: dict[str, Shape] = {"apptainer": "sif", "qemu": "vm"}
"""Parts that concern the images of one shape."""


def changed_environment(before: Mapping[str, str], after: Mapping[str, str]) -> tuple[str, ...]:
    """Tell people what changed: `engine: Docker 20.10.24 -> 25.0.1`; words that both begin with are told once."""
    names = sorted({*before, *after})
    return tuple(
        f"{name}: {_change(name, before.get(name, ''), after.get(name, ''))}"
        for name in names
        if before.get(name, "") != after.get(name, "")
    )


def _change(name: str, before: str, after: str) -> str:
    if name in SETS and before and after:
        came, went = (_less(*pair) for pair in ((after, before), (before, after)))
        return (
            "; ".join((*([f"now {came}"] if came else []), *([f"no longer {went}"] if went else []))) or "other order"
        )
    old, new = before.split(), after.split()
    while old[:1] == new[:1] and len(old) > 1 and len(new) > 1:
        old, new = old[1:], new[1:]
    return f"{before or NONE} -> {' '.join(new) or NONE}"


def _less(one: str, other: str) -> str:
    return " ".join(sorted(set(one.split()) - set(other.split())))


def explanations(found: Finding, changes: Iterable[str], shape: Shape | None = None) -> tuple[str, ...]:
    """Give those of `changed_environment`'s lines that can explain a fault found of a shape's image (or upstream)."""
    if not found.is_fault:
        return ()
    explaining = EXPLAINED_BY[found.stage]
    named = ((change.partition(":")[0], change) for change in changes)
    return tuple(
        change for name, change in named if name in explaining and (shape is None or ONLY_FOR.get(name, shape) == shape)
    )
