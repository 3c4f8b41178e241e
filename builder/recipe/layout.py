"""The standard layout of a recipe's text, as `terraform fmt` lays HCL out. Comments stay; the meaning never changes.

- two spaces for each open bracket; a line that begins with a closing bracket goes back first
- the `=` of attributes on consecutive lines stand in one column, and so do comments after them
- one space around operators, after a comma, inside the braces of a map on one line; none inside other brackets
- at most one blank line in a row, none at the beginning or end of a block or of the file
- texts, heredocs and comments of several lines are left as they are

Source: hashicorp/hcl, hclwrite/format.go; the blank lines and the closing bracket are stricter here.
"""

from __future__ import annotations

from collections.abc import Sequence

from builder.core.errors import InputFailure
from builder.recipe.parse import parse, text_of
from builder.recipe.tokens import Kind, Token, scan

INDENT = "  "
_OPENING = {"(", "[", "{"}
_CLOSING = {")", "]", "}"}
_JOINED = {"::", "..."}
_WORDS_BEFORE_VALUE = {"in", "if", "for", "else"}
_COMMENTS = {Kind.COMMENT, Kind.BLOCK_COMMENT}

Line = list[Token]


def formatted(data: bytes, file: str) -> bytes:
    """Lay out the bytes of a recipe; `file` is the name that positions carry.

    Raises InputFailure where the text cannot be parsed.
    """
    problems = parse(data, file).problems
    text, _ = text_of(data, file)
    if problems:
        raise InputFailure(*problems)
    return _layout(scan(text, file).tokens).encode()


def _layout(tokens: Sequence[Token]) -> str:
    lines = _without_needless_blanks(_lines(tokens))
    indents = _indents(lines)
    cells = [_cells(line, indent) for line, indent in zip(lines, indents, strict=True)]
    _align(cells, 1)
    _align(cells, 2)
    return "".join("".join(parts).rstrip(" \t") + "\n" for parts in cells)


def _lines(tokens: Sequence[Token]) -> list[Line]:
    lines: list[Line] = [[]]
    for token in tokens:
        if token.kind is Kind.NEWLINE:
            lines.append([])
        else:
            lines[-1].append(token)
    return lines


def _without_needless_blanks(lines: list[Line]) -> list[Line]:
    kept: list[Line] = []
    for line in lines:
        if not line and (not kept or not kept[-1] or _opens(kept[-1])):
            continue
        if line and kept and not kept[-1] and _is(line[0], _CLOSING):
            kept.pop()
        kept.append(line)
    while kept and not kept[-1]:
        kept.pop()
    return kept


def _is(token: Token, texts: set[str]) -> bool:
    return token.kind is Kind.OPERATOR and token.text in texts


def _opens(line: Line) -> bool:
    code = [token for token in line if token.kind not in _COMMENTS]
    return bool(code) and _is(code[-1], _OPENING)


def _net(tokens: Sequence[Token]) -> int:
    return sum(_is(token, _OPENING) - _is(token, _CLOSING) for token in tokens)


def _indents(lines: list[Line]) -> list[int]:
    """Give the depth of each line. Brackets that open on one line count once, and go back together."""
    stack: list[int] = []
    result = []
    for line in lines:
        leading = next((n for n, token in enumerate(line) if not _is(token, _CLOSING)), len(line))
        result.append(_depth_after_closing(stack, leading))
        net = _net(line)
        if net > 0:
            stack.append(net)
        while net < 0 and stack:
            closed = min(-net, stack[-1])
            net += closed
            stack[-1] -= closed
            if not stack[-1]:
                stack.pop()
    return result


def _depth_after_closing(stack: Sequence[int], closed: int) -> int:
    depth = len(stack)
    while closed > 0 and depth:
        depth -= 1
        closed -= stack[depth]
    return depth


def _cells(line: Line, depth: int) -> list[str]:
    """Split a line into what stands before `=`, the assignment, and the comment after it; each may be empty."""
    if not line:
        return ["", "", ""]
    code = line
    comment = ""
    if len(line) > 1 and line[-1].kind is Kind.COMMENT:
        code, comment = line[:-1], line[-1].text.rstrip()
    equals = next((n for n, token in enumerate(code) if n and _is(token, {"="})), 0)
    if equals and (_net(code[equals:]) or any("\n" in token.text for token in code)):
        equals = 0
    lead = INDENT * depth + _spelled(code[:equals] if equals else code)
    return [lead, _spelled(code[equals:]) if equals else "", comment]


def _spelled(tokens: Sequence[Token]) -> str:
    pieces: list[str] = []
    for number, token in enumerate(tokens):
        if number and _space_between(tokens, number):
            pieces.append(" ")
        pieces.append(token.text.rstrip() if token.kind is Kind.COMMENT else token.text)
    return "".join(pieces)


def _space_between(tokens: Sequence[Token], number: int) -> bool:  # noqa: PLR0911 - a table of rules, first match wins
    before, token = tokens[number - 1], tokens[number]
    if before.kind in _COMMENTS or token.kind in _COMMENTS:
        return True
    if before.kind is Kind.NUMBER and _is(token, {"."}):
        return token.spaced  # `1 .5` is not 1.5
    if _is(before, {"(", "[", ".", "!"} | _JOINED) or _is(token, {")", "]", ",", "."} | _JOINED):
        return False
    if _is(before, {"{"}) and _is(token, {"}"}):
        return False
    if _is(token, {"(", "["}):
        is_part = before.kind in {Kind.WORD, Kind.STRING} or _is(before, _CLOSING)
        return not is_part or before.text in _WORDS_BEFORE_VALUE
    if _is(token, {":"}):
        return token.spaced or any(_is(earlier, {"?"}) for earlier in tokens[:number])
    if _is(before, {"-"}):
        return not _is_sign(tokens, number - 1)
    return True


def _is_sign(tokens: Sequence[Token], number: int) -> bool:
    """Whether the minus at `number` is a sign and not an operator between two values."""
    if number == 0:
        return True
    before = tokens[number - 1]
    return before.kind is Kind.OPERATOR and before.text not in _CLOSING


def _align(cells: list[list[str]], column: int) -> None:
    """Make the cells of `column` begin in one place on consecutive lines that have one."""
    chain: list[list[str]] = []
    for parts in [*cells, ["", "", ""]]:
        if parts[column]:
            chain.append(parts)
            continue
        width = max((_width(done, column) for done in chain), default=0)
        for done in chain:
            done[column] = " " * (width - _width(done, column) + 1) + done[column]
        chain = []


def _width(parts: list[str], column: int) -> int:
    return len("".join(parts[:column]).rpartition("\n")[2])
