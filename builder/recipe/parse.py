r"""Bytes of one recipe to its syntax: size, encoding, lexical and grammatical mistakes, each where it stands.

python-hcl2 is the parser, and nothing else of it is used: its tree, with lines and columns, becomes `syntax`. What it
takes though HCL does not (several attributes on a line, `"a\zb"`) and what this language leaves out (`for`, splats,
`%{`, arithmetic) is refused here.
"""

from __future__ import annotations

import gc
import importlib.util
import os
import re
import sys
import types
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from builder.core.errors import Location, Problem
from builder.core.host import cache_folder
from builder.recipe import syntax
from builder.recipe.tokens import ESCAPED_DIRECTIVE, ESCAPED_INTERPOLATION, MAXIMUM_NESTING, Kind, Scanned, scan

MAXIMUM_BYTES = 256 * 1024
MAXIMUM_LINES = 5_000

_BLANK = {Kind.NEWLINE, Kind.COMMENT, Kind.BLOCK_COMMENT}
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\"}
_ESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|(.))", re.DOTALL)
_LAST_CODE_POINT = 0x10FFFF
_SURROGATES = range(0xD800, 0xE000)


class Parsed(msgspec.Struct, frozen=True):
    """What a file says (nothing, where it could not be read) and what is wrong with it."""

    body: syntax.Body | None
    problems: tuple[Problem, ...]


def parse(data: bytes, file: str) -> Parsed:
    """Parse the bytes of a recipe; `file` is the name that positions carry. Nothing is raised."""
    text, problem = text_of(data, file)
    if problem is not None:
        return Parsed(None, (problem,))
    scanned = scan(text, file)
    if scanned.problems:
        return Parsed(None, scanned.problems)
    if all(token.kind in _BLANK for token in scanned.tokens):
        return Parsed(
            None, (Problem("the file is empty", "boss-builder init writes a recipe to start from", Location(file)),)
        )
    with _no_garbage_collection():
        tree = _tree(scanned, file)
        if isinstance(tree, Problem):
            return Parsed(None, (tree,))
        reader = _Reader(file, 0, 0)
        body = reader.body(tree.children[0])
    return Parsed(body, tuple(reader.problems))


def text_of(data: bytes, file: str) -> tuple[str, Problem | None]:
    r"""Decode a recipe within the limits; line breaks become `\n` alone."""
    lines = data.count(b"\n")
    if len(data) > MAXIMUM_BYTES or lines > MAXIMUM_LINES:
        message = f"the file is too large: {lines} lines, {len(data)} bytes"
        return "", Problem(
            message, f"a recipe has at most {MAXIMUM_LINES} lines and {MAXIMUM_BYTES} bytes", Location(file)
        )
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        before = data[: error.start]
        at = Location(file, before.count(b"\n") + 1, len(before.rpartition(b"\n")[2].decode("utf-8")) + 1)
        message = f"the file is not UTF-8: byte {error.start} is 0x{data[error.start]:02x}"
        return "", Problem(message, "save it as UTF-8", at)
    return text.replace("\r\n", "\n"), None


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Let the many small objects of a parser be made without looking for garbage among them: a fifth of the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


@cache
def _parser() -> Callable[[str], Any]:
    """Give python-hcl2's parser, with no more imported than it needs.

    `hcl2/__init__` imports a writer and a query language (25 ms), and lark imports `regex` (12 ms) if it is there,
    which this grammar does not use. Both can be imported as usual afterwards.
    """
    with _imported_as("regex", None), _imported_as("hcl2", _bare_package("hcl2")):
        from hcl2 import parser as module
    module.PARSER_FILE = grammar_file(module.PARSER_FILE, os.environ)
    parse_text: Callable[[str], Any] = module.parser().parse
    return parse_text


def grammar_file(installed: Path, environment: Mapping[str, str]) -> Path:
    """Choose where lark keeps the compiled grammar, which takes seconds to make: beside python-hcl2, as it does itself.

    Where that folder cannot be written (installed by root, used by others) and holds none, in the user's own cache
    (XDG_CACHE_HOME, by default ~/.cache), which is made.
    """
    if installed.exists() or os.access(installed.parent, os.W_OK):
        return installed
    folder = cache_folder(environment)
    return installed if folder is None else folder / "hcl2-grammar.bin"


def _bare_package(name: str) -> types.ModuleType:
    """Make a package whose modules can be imported without its `__init__`."""
    spec = importlib.util.find_spec(name)
    package = types.ModuleType(name)
    package.__path__ = list(spec.submodule_search_locations or ()) if spec else []
    return package


@contextmanager
def _imported_as(name: str, module: types.ModuleType | None) -> Iterator[None]:
    """Let `import name` give `module` (None: no such module) for a while, unless it is imported already."""
    if name in sys.modules:
        yield
        return
    sys.modules[name] = module  # type: ignore[assignment]  # None marks a module as absent
    try:
        yield
    finally:
        del sys.modules[name]


def _tree(scanned: Scanned, file: str) -> Any:
    """Give the parser's tree, or the Problem that it met."""
    parse_text = _parser()
    from lark.exceptions import UnexpectedInput

    try:
        return parse_text(scanned.readable + "\n")
    except UnexpectedInput as error:
        return _syntax_problem(error, scanned, file)


_VALUE = {"INT_LITERAL", "LSQB", "DBLQUOTE"}
_SPELLED = {"COMMA": '","', "RSQB": '"]"', "RPAR": '")"', "RBRACE": '"}"', "EQ": '"="', "COLON": '":"', "LBRACE": '"{"'}


def _syntax_problem(error: Any, scanned: Scanned, file: str) -> Problem:
    expected = set(getattr(error, "expected", None) or getattr(error, "allowed", None) or ())
    line, column = error.line, error.column
    last = [token for token in scanned.tokens if token.kind not in _BLANK][-1]
    if line < 1 or line > last.line + last.text.count("\n"):
        # The parser met the end of the file, which it counts as a line of its own or as none.
        line, column = last.line, last.column + len(last.text)
    rest = scanned.readable.split("\n")[line - 1][column - 1 :]
    word = re.match(r"[A-Za-z0-9_-]+|\S", rest)
    found = ("a text" if word.group() == '"' else f'"{word.group()}"') if word else "the end of the line"
    wanted, hint = _expectation(expected)
    if found == "a text" and "DBLQUOTE" not in expected and "COMMA" not in expected:
        wanted, hint = "a name", "names of attributes and blocks stand without quotes"
    message = f"{found} does not belong here" + (f": {wanted} was expected" if wanted else "")
    return Problem(message, hint, Location(file, line, column))


def _expectation(expected: set[str]) -> tuple[str, str]:
    if expected >= _VALUE and "RBRACE" not in expected:
        return "a value", "a value is text in quotes, a number, true, false, a list [..] or a map {..}"
    if "LBRACE" in expected and "INT_LITERAL" not in expected:
        wanted = '"=" or "{"' if "EQ" in expected else '"{"'
        return wanted, 'an attribute is written name = value, a block name "label" { ... }'
    if "NL_OR_COMMENT" in expected and ("$END" in expected or "RBRACE" in expected) and "COMMA" not in expected:
        return "a new line", "one attribute or block a line"
    names = sorted(_SPELLED[name] for name in expected if name in _SPELLED)
    return " or ".join(names), ""


class _Reader:
    """The parser's tree to `syntax`; offsets are added where a piece of text was parsed by itself."""

    def __init__(self, file: str, lines: int, columns: int) -> None:
        self.file = file
        self.lines = lines
        self.columns = columns
        self.depth = 0
        self.too_deep = False
        self.problems: list[Problem] = []

    def at(self, node: Any) -> Location:
        place = node.meta if hasattr(node, "meta") else node
        line = getattr(place, "line", None)
        if line is None:
            return Location(self.file, self.lines + 1, self.columns + 1)
        column = place.column + (self.columns if line == 1 else 0)
        return Location(self.file, line + self.lines, column)

    def refuse(self, at: Location, message: str, hint: str = "") -> syntax.Unreadable:
        self.problems.append(Problem(message, hint, at))
        return syntax.Unreadable(at)

    def body(self, tree: Any) -> syntax.Body:
        items: list[syntax.Attribute | syntax.Block] = []
        end = 0
        for child in _trees(tree):
            if child.data == "new_line_or_comment":
                continue
            at = self.at(child)
            if at.line == end:
                self.refuse(at, "a second attribute or block on one line", "begin a new line before it")
            end = _last_line_of(child) + self.lines
            items.append(self.attribute(child) if child.data == "attribute" else self.block(child))
        return syntax.Body(tuple(items))

    def attribute(self, tree: Any) -> syntax.Attribute:
        name, _equals, value = tree.children
        return syntax.Attribute(self.at(tree), str(name.children[0]), self.expression(value))

    def block(self, tree: Any) -> syntax.Block:
        kind, *rest = _trees(tree)
        labels = []
        for part in rest[:-1]:
            if part.data == "string":
                value = self.string(part)
                if isinstance(value, syntax.Literal):
                    labels.append(syntax.Label(self.at(part), str(value.value)))
                else:
                    self.refuse(self.at(part), "a label is plain text", "remove the ${...}")
                    labels.append(syntax.Label(self.at(part), ""))
            elif part.data != "new_line_or_comment":
                labels.append(syntax.Label(self.at(part), str(part.children[0])))
        return syntax.Block(self.at(tree), str(kind.children[0]), tuple(labels), self.body(rest[-1]))

    def expression(self, tree: Any) -> syntax.Expression:
        self.depth += 1
        try:
            if self.depth > MAXIMUM_NESTING and self.too_deep:
                return syntax.Unreadable(self.at(tree))
            if self.depth > MAXIMUM_NESTING:
                self.too_deep = True
                return self.refuse(
                    self.at(tree), f"nested more than {MAXIMUM_NESTING} deep", "simplify it, with locals for instance"
                )
            return self._expression(tree)
        finally:
            self.depth -= 1

    def _expression(self, tree: Any) -> syntax.Expression:  # noqa: PLR0911 - one for each shape of the tree
        at = self.at(tree)
        if tree.data == "expr_term":
            inner = next(_expressions(tree))
            return (
                self.expression(inner)
                if inner.data in {"expr_term", "conditional", "binary_op", "unary_op"}
                else (self.term(inner, at))
            )
        if tree.data == "conditional":
            test, then, otherwise = (self.expression(part) for part in _expressions(tree))
            return syntax.Conditional(at, test, then, otherwise)
        if tree.data == "binary_op":
            left, term = list(_expressions(tree))
            operator, right = list(_expressions(term))
            sign = str(operator.children[0]).strip()
            if sign.lstrip() not in {"==", "!="}:
                return self.refuse(
                    self.at(term), f'the operator "{_last_line(sign)}" is not part of the language', _OPERATORS
                )
            return syntax.Comparison(at, self.expression(left), self.expression(right), sign == "==")
        if tree.data == "unary_op":
            value = self.expression(tree.children[1])
            if tree.children[0] == "-" and isinstance(value, syntax.Literal) and type(value.value) in {int, float}:
                return syntax.Literal(at, -value.value)  # type: ignore[operator]
            return self.refuse(at, f'the operator "{tree.children[0]}" is not part of the language', _OPERATORS)
        return self.term(tree, at)

    def term(self, tree: Any, at: Location) -> syntax.Expression:
        read = getattr(self, f"_{tree.data}", None)
        if read is None:
            what, hint = _LEFT_OUT.get(tree.data, ("this expression", ""))
            return self.refuse(at, f"{what} is not part of the language", hint)
        value: syntax.Expression = read(tree, at)
        return value

    def _identifier(self, tree: Any, at: Location) -> syntax.Expression:
        return syntax.Name(at, str(tree.children[0]))

    def _literal_value(self, tree: Any, at: Location) -> syntax.Expression:
        return syntax.Literal(at, {"true": True, "false": False, "null": None}[str(tree.children[0])])

    def _int_lit(self, tree: Any, at: Location) -> syntax.Expression:
        digits = str(tree.children[0])
        if len(digits) > 18:  # noqa: PLR2004 - what fits into 64 bits, as other readers of the JSON need
            return self.refuse(at, "the number is too large", "at most 18 digits")
        return syntax.Literal(at, int(digits))

    def _float_lit(self, tree: Any, at: Location) -> syntax.Expression:
        value = float(str(tree.children[0]))
        if value in {float("inf"), float("-inf")}:
            return self.refuse(at, "the number is too large", "it must fit a double-precision number")
        return syntax.Literal(at, value)

    def _tuple(self, tree: Any, at: Location) -> syntax.Expression:
        return syntax.ListOf(at, tuple(self.expression(item) for item in _expressions(tree)))

    def _object(self, tree: Any, at: Location) -> syntax.Expression:
        items = []
        for element in _expressions(tree):
            key, value = (part for part in _trees(element))
            items.append((self.key(next(_trees(key))), self.expression(value)))
        return syntax.MapOf(at, tuple(items))

    def key(self, tree: Any) -> syntax.Expression:
        at = self.at(tree)
        if tree.data == "keyword":
            return syntax.Literal(at, str(tree.children[0]))
        if (
            tree.data == "expr_term"
            and len(tree.children) == 1
            and tree.children[0].data in {"identifier", "literal_value"}
        ):
            return syntax.Literal(at, str(tree.children[0].children[0]))
        return self.expression(tree)

    def _get_attr_expr_term(self, tree: Any, at: Location) -> syntax.Expression:
        target, member = tree.children
        return syntax.Member(at, self.expression(target), str(member.children[1].children[0]))

    def _index_expr_term(self, tree: Any, at: Location) -> syntax.Expression:
        target, index = tree.children
        if index.data == "short_index":
            key: syntax.Expression = self._int_lit(types.SimpleNamespace(children=[index.children[1]]), self.at(index))
        else:
            key = self.expression(next(_expressions(index)))
        return syntax.Index(at, self.expression(target), key)

    def _function_call(self, tree: Any, at: Location) -> syntax.Expression:
        names = [str(part.children[0]) for part in _trees(tree) if part.data == "identifier"]
        arguments: tuple[syntax.Expression, ...] = ()
        for part in _trees(tree):
            if part.data == "arguments":
                if any(getattr(token, "type", "") == "ELLIPSIS" for token in part.children):
                    return self.refuse(at, 'spreading arguments with "..." is not part of the language', "list them")
                arguments = tuple(self.expression(argument) for argument in _expressions(part))
        return syntax.Call(at, "::".join(names), arguments)

    def _string(self, tree: Any, at: Location) -> syntax.Expression:  # noqa: ARG002 - all readers of terms look alike
        return self.string(tree)

    def string(self, tree: Any) -> syntax.Expression:
        at = self.at(tree)
        parts: list[syntax.Expression] = []
        for part in _trees(tree):
            inner = part.children[0]
            if getattr(inner, "data", "") == "interpolation":
                parts.append(self.expression(next(_expressions(inner))))
            elif hasattr(inner, "data"):
                return self.refuse(
                    self.at(part), "%{ ... } is not part of the language", "%%{ writes %{ itself; a ? b : c chooses"
                )
            else:
                parts.append(syntax.Literal(self.at(part), self.unescaped(str(inner), self.at(part))))
        return _text(at, parts)

    def unescaped(self, text: str, at: Location) -> str:
        def replace(found: re.Match[str]) -> str:
            digits = found.group(1) or found.group(2)
            where = Location(at.file, at.line, at.column + found.start())
            if digits:
                code = int(digits, 16)
                if code <= _LAST_CODE_POINT and code not in _SURROGATES:
                    return chr(code)
                self.refuse(where, f"{found.group()} is not a character", "")
                return ""
            if found.group(3) in _ESCAPES:
                return _ESCAPES[found.group(3)]
            self.refuse(
                where,
                f"unknown escape {found.group()}",
                'known are \\n \\r \\t \\" \\\\ \\uNNNN \\UNNNNNNNN; \\\\ writes a backslash',
            )
            return ""

        return _restored(_ESCAPE.sub(replace, text))

    def _heredoc_template(self, tree: Any, at: Location) -> syntax.Expression:
        lines = str(tree.children[0]).split("\n")[1:-2]
        return self.heredoc([(line, 0) for line in lines], at)

    def _heredoc_template_trim(self, tree: Any, at: Location) -> syntax.Expression:
        lines = str(tree.children[0]).split("\n")[1:-2]
        # As in HCL: the smallest indentation of the lines that are not blank goes from all of them.
        margin = min((len(line) - len(line.lstrip(" \t")) for line in lines if line.strip()), default=0)
        return self.heredoc([(line[margin:], min(margin, len(line))) for line in lines], at)

    def heredoc(self, lines: list[tuple[str, int]], at: Location) -> syntax.Expression:
        parts: list[syntax.Expression] = []
        for number, (line, margin) in enumerate(lines, start=at.line + 1):
            self.heredoc_line(line, number, margin, parts)
            parts.append(syntax.Literal(Location(self.file, number, 1), "\n"))
        return _text(at, parts)

    def heredoc_line(self, line: str, number: int, margin: int, parts: list[syntax.Expression]) -> None:
        """Read one line of a heredoc; each `${...}` in it is parsed by itself, in its place."""
        position = 0
        for found in re.finditer(r"\$\$\{|%%\{|\$\{|%\{", line):
            if found.start() < position:
                continue
            here = Location(self.file, number, margin + found.start() + 1)
            parts.append(syntax.Literal(here, line[position : found.start()]))
            position = found.end()
            if found.group() in {"$${", "%%{"}:
                parts.append(syntax.Literal(here, found.group()[1:]))
                continue
            if found.group() == "%{":
                parts.append(
                    self.refuse(here, "%{ ... } is not part of the language", "%%{ writes %{ itself; a ? b : c chooses")
                )
                continue
            # The same scanner and parser as for quoted text: put the rest of the line into quotes, up to the brace.
            end = _closing_brace(line, position)
            if end is None:
                parts.append(
                    self.refuse(here, '"${" is never closed', 'add the "}" that belongs to it, on the same line')
                )
                return
            parts.append(self.piece(line[position:end], number, margin + position))
            position = end + 1
        parts.append(syntax.Literal(Location(self.file, number, margin + position + 1), line[position:]))

    def piece(self, text: str, line: int, column: int) -> syntax.Expression:
        """Parse an expression of one line that stands in a heredoc at `line`, after `column` characters."""
        prefix = "x = "
        scanned = scan(prefix + text, self.file)
        reader = _Reader(self.file, line - 1, column - len(prefix))
        at = Location(self.file, line, column + 1)
        problems = scanned.problems
        if not problems:
            tree = _tree(scanned, self.file)
            if isinstance(tree, Problem):
                problems = (tree,)
            else:
                items = [item for item in _trees(tree.children[0]) if item.data != "new_line_or_comment"]
                if len(items) != 1:
                    return self.refuse(at, "not an expression", "")
                reader.depth = self.depth
                value = reader.expression(items[0].children[2])
                self.problems.extend(reader.problems)
                return value
        for problem in problems:
            place = problem.location or at
            moved = Location(self.file, line, max(1, place.column + column - len(prefix)))
            self.problems.append(Problem(problem.message, problem.hint, moved))
        return syntax.Unreadable(at)


_OPERATORS = "known are == and != and a ? b : c"
_LEFT_OUT = {
    "for_tuple_expr": ("a for-expression", "write the list out"),
    "for_object_expr": ("a for-expression", "write the map out"),
    "attr_splat_expr_term": ("a splat (.*)", "write the list out"),
    "full_splat_expr_term": ("a splat ([*])", "write the list out"),
    "template_string": ('\\"', 'text stands in plain double quotes: "..."'),
}


def _trees(tree: Any) -> Iterator[Any]:
    return (child for child in tree.children if hasattr(child, "data"))


def _expressions(tree: Any) -> Iterator[Any]:
    return (child for child in _trees(tree) if child.data != "new_line_or_comment")


def _last_line_of(tree: Any) -> int:
    """Give the line on which an item ends; the parser counts a line break after it as part of some."""
    while hasattr(tree, "data"):
        tree = [child for child in tree.children if getattr(child, "data", "") != "new_line_or_comment"][-1]
    end: int = tree.end_line - (tree.end_column == 1)
    return end


def _last_line(text: str) -> str:
    return text.rpartition("\n")[2].strip()


def _restored(text: str) -> str:
    return text.replace(ESCAPED_INTERPOLATION, "${").replace(ESCAPED_DIRECTIVE, "%{")


def _text(at: Location, parts: list[syntax.Expression]) -> syntax.Expression:
    """Join pieces: one literal where nothing is interpolated."""
    if all(isinstance(part, syntax.Literal) for part in parts):
        return syntax.Literal(at, "".join(str(part.value) for part in parts if isinstance(part, syntax.Literal)))
    return syntax.Template(at, tuple(parts))


def _closing_brace(line: str, start: int) -> int | None:
    """Find the brace that closes an interpolation which begins at `start`, over texts and braces inside it."""
    depth, quoted, position = 1, False, start
    while position < len(line):
        character = line[position]
        if quoted and character == "\\":
            position += 1
        elif character == '"':
            quoted = not quoted
        elif not quoted:
            depth += (character == "{") - (character == "}")
            if depth == 0:
                return position
        position += 1
    return None
