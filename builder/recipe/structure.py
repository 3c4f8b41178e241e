"""Check blocks and attributes against the language, and merge a recipe over the one that it extends.

Checking drops what is wrong, once it is reported, so that later steps meet only what the language knows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from builder.core.errors import Problem
from builder.recipe import syntax
from builder.recipe.evaluate import nearest
from builder.recipe.language import AttributeType, BlockType, TextKind
from builder.recipe.text import text_problem


def checked(body: syntax.Body, language: Mapping[str, BlockType], problems: list[Problem]) -> syntax.Body:
    """Give the top level of one file without what the language does not know; problems are appended."""
    return _checked_body(body, {}, language, "at the top of the recipe", problems, free=False)


def _checked_body(
    body: syntax.Body,
    attributes: Mapping[str, AttributeType],
    blocks: Mapping[str, BlockType],
    where: str,
    problems: list[Problem],
    *,
    free: bool,
) -> syntax.Body:
    first: dict[tuple[str, ...], syntax.Attribute | syntax.Block] = {}
    items: list[syntax.Attribute | syntax.Block] = []
    for item in body.items:
        if isinstance(item, syntax.Attribute):
            if not free and item.name not in attributes:
                problems.append(_unknown_attribute(item, attributes, blocks, where))
                continue
            key: tuple[str, ...] = (item.name,)
            named = f'attribute "{item.name}"'
        else:
            kind = blocks.get(item.type)
            if kind is None:
                problems.append(_unknown_block(item, attributes, blocks, where))
                continue
            _check_labels(item, kind, problems)
            item = _checked_block(item, kind, problems)  # noqa: PLW2901 - the same block, without what is wrong in it
            key = item.key if kind.repeated else (item.type,)
            named = f"block {item}" if kind.repeated else f"block {item.type}"
            if kind.free:
                items.append(item)
                continue
        if key in first:
            problems.append(
                Problem(
                    f"{named} is given twice {where}", f"first given at {first[key].at}; remove one of them", item.at
                )
            )
            continue
        first[key] = item
        items.append(item)
    return syntax.Body(tuple(items))


def _checked_block(block: syntax.Block, kind: BlockType, problems: list[Problem]) -> syntax.Block:
    if kind.variants:
        if not is_sound(block, kind):
            return syntax.Block(block.at, block.type, block.labels, syntax.Body(()))
        kind = kind.variants[block.labels[0].text]
    body = _checked_body(block.body, kind.attributes, kind.blocks, f"in {block}", problems, free=kind.free)
    return syntax.Block(block.at, block.type, block.labels, body)


def is_sound(block: syntax.Block, kind: BlockType) -> bool:
    """Whether the labels of a block say which one it is; where not, that has been reported."""
    return len(block.labels) == len(kind.labels) and all(
        not (isinstance(label_kind, TextKind) and label_kind.choices) or label.text in label_kind.choices
        for label, (_, label_kind) in zip(block.labels, kind.labels, strict=True)
    )


def _check_labels(block: syntax.Block, kind: BlockType, problems: list[Problem]) -> None:
    if len(block.labels) != len(kind.labels):
        count = {0: "no label", 1: "one label", 2: "two labels"}[len(kind.labels)]
        message = f"{block.type} takes {count}, not {len(block.labels)}"
        problems.append(Problem(message, f"write {shape(kind)}", block.at))
        return
    for label, (name, label_kind) in zip(block.labels, kind.labels, strict=True):
        if not isinstance(label_kind, TextKind):
            continue
        if label_kind.choices and label.text not in label_kind.choices:
            known = ", ".join(f'"{choice}"' for choice in label_kind.choices)
            hint = f"known: {known}"
            near = nearest(label.text, label_kind.choices)
            if near:
                hint = f'did you mean "{near}"? {hint}'
            problems.append(Problem(f'unknown {block.type} "{label.text}"', hint, label.at))
            continue
        problem = text_problem(label.text, label_kind, f"the {name} of {block.type}", label.at)
        if problem:
            problems.append(problem)


def _unknown_attribute(
    item: syntax.Attribute, attributes: Mapping[str, AttributeType], blocks: Mapping[str, BlockType], where: str
) -> Problem:
    if item.name in blocks:
        return Problem(f'"{item.name}" is a block, not an attribute', f"write {shape(blocks[item.name])}", item.at)
    return Problem(f'unknown attribute "{item.name}" {where}', _known(item.name, attributes, blocks), item.at)


def _unknown_block(
    item: syntax.Block, attributes: Mapping[str, AttributeType], blocks: Mapping[str, BlockType], where: str
) -> Problem:
    if item.type in attributes:
        return Problem(f'"{item.type}" is an attribute, not a block', f"write {item.type} = ...", item.at)
    return Problem(f'unknown block "{item.type}" {where}', _known(item.type, blocks, attributes), item.at)


def _known(name: str, likely: Iterable[str], others: Iterable[str]) -> str:
    near = nearest(name, likely) or nearest(name, others)
    if near:
        return f'did you mean "{near}"?'
    everything = [*likely, *others]
    return f"known: {', '.join(everything)}" if everything else "nothing may stand here"


def shape(block: BlockType) -> str:
    """Spell how a block is written, as in `document "NAME" { ... }`."""
    labels = [
        kind.choices[0] if isinstance(kind, TextKind) and len(kind.choices) == 1 else name.upper()
        for name, kind in block.labels
    ]
    return " ".join([block.name, *(f'"{label}"' for label in labels), "{ ... }"])


def merged(base: syntax.Body, child: syntax.Body, language: Mapping[str, BlockType]) -> syntax.Body:
    """Lay a recipe over the one that it extends; both are checked.

    Blocks without labels are merged attribute by attribute, labelled ones by their labels (the base's first), values
    are replaced whole, and so is `source`. `release` and `base` say what a recipe is and are not inherited.
    """
    inherited = syntax.Body(
        tuple(item for item in base.items if not (isinstance(item, syntax.Block) and item.type in {"release", "base"}))
    )
    return _merged_body(inherited, child, language)


def _merged_body(base: syntax.Body, child: syntax.Body, blocks: Mapping[str, BlockType]) -> syntax.Body:
    result: dict[tuple[str, ...], syntax.Attribute | syntax.Block] = {}
    for number, item in enumerate((*base.items, *child.items)):
        if isinstance(item, syntax.Attribute):
            result[("=", item.name)] = item
            continue
        kind = blocks[item.type]
        key = item.key if kind.repeated else (item.type,)
        if kind.free:
            key = (item.type, str(number))
        earlier = result.get(key)
        if isinstance(earlier, syntax.Block) and (kind.repeated or not kind.variants):
            inside = kind.variants[item.labels[0].text] if kind.variants and is_sound(item, kind) else kind
            body = _merged_body(earlier.body, item.body, inside.blocks)
            item = syntax.Block(item.at, item.type, item.labels, body)  # noqa: PLW2901 - the same block, completed
        result[key] = item
    return syntax.Body(tuple(result.values()))
