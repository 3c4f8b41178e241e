"""Text of a recipe to tokens: for the layout (`fmt`), and to find lexical mistakes where they are.

python-hcl2 reports an open quote or bracket at the end of the file, takes a line break inside quotes, and loses its
way in `"$${"`. This scanner sees all three, so it goes first and the parser gets only text that it reads rightly.

Source of the lexical rules: HCL native syntax specification (hashicorp/hcl, hclsyntax/spec.md), without non-ASCII
identifiers, which python-hcl2 does not read.
"""

from __future__ import annotations

import re
from enum import Enum, auto

import msgspec

from builder.core.errors import Location, Problem

MAXIMUM_NESTING = 32
ESCAPED_INTERPOLATION = "\ue000" * 3
"""Stands for `$${` in what the parser reads; as wide, so that positions stay true."""
ESCAPED_DIRECTIVE = "\ue001" * 3
"""Stands for `%%{`."""

_OPEN_TEXT = ("this text has no closing quote on its line", 'add the quote ("); for text of many lines use <<EOF')
_OPEN_INTERPOLATION = ('"${" is never closed', 'add the "}" that belongs to it, on the same line')
_TOO_DEEP = f"nested more than {MAXIMUM_NESTING} deep"
_SIMPLIFY = "simplify it, with locals for instance"
_CLOSER = {"(": ")", "[": "]", "{": "}"}
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_NUMBER = re.compile(r"[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_OPERATOR = re.compile(r"\.\.\.|=>|==|!=|<=|>=|&&|\|\||::|[-+*/%<>!?:=.,(){}\[\]~]")
_HEREDOC = re.compile(r"<<(-?)([A-Za-z][A-Za-z0-9._-]*)([^\n]*)\n")
_SPACE = re.compile(r"[ \t]+")
_PLAIN = re.compile(r'[^"\\$%\n\ue000\ue001\x00-\x08\x0b-\x1f\x7f]+')


class Kind(Enum):
    """What a token is."""

    NEWLINE = auto()
    COMMENT = auto()
    """`# ...` or `// ...`, without its line break."""
    BLOCK_COMMENT = auto()
    WORD = auto()
    NUMBER = auto()
    STRING = auto()
    """A whole quoted text, with all that is interpolated into it."""
    HEREDOC = auto()
    """From `<<` to the end of the closing marker, without the line break after it."""
    OPERATOR = auto()


class Token(msgspec.Struct, frozen=True):
    """A piece of text; `spaced` says whether blanks stand before it on its line."""

    kind: Kind
    text: str
    line: int
    column: int
    spaced: bool


class Scanned(msgspec.Struct, frozen=True):
    """Tokens of a text, the text as the parser may read it, and what is wrong with it.

    In what the parser reads, comments are blanks: it does not take them everywhere where HCL does.
    """

    tokens: tuple[Token, ...]
    readable: str
    problems: tuple[Problem, ...]


def scan(text: str, file: str) -> Scanned:
    r"""Split a text (line breaks are `\n` alone) into tokens; `file` is the name that problems carry.

    Nothing is raised: mistakes are in `problems`, and tokens then end where the first of them stands.
    """
    return _Scanner(text, file).run()


class _Stop(Exception):  # noqa: N818 - control flow inside this module: the rest of the text cannot be read
    pass


class _Scanner:
    def __init__(self, text: str, file: str) -> None:
        self.text = text
        self.file = file
        self.position = 0
        self.line = 1
        self.line_start = 0
        self.tokens: list[Token] = []
        self.problems: list[Problem] = []
        self.open: list[tuple[str, Location]] = []
        self.interpolations: list[Location] = []
        self.replaced: list[tuple[int, str]] = []

    def here(self) -> Location:
        return Location(self.file, self.line, self.position - self.line_start + 1)

    def complain(self, message: str, hint: str, at: Location | None = None) -> None:
        self.problems.append(Problem(message, hint, at or self.here()))

    def run(self) -> Scanned:
        try:
            while self.position < len(self.text):
                self.step()
            for bracket, at in self.open:
                self.complain(f'"{bracket}" is never closed', f'add the "{_CLOSER[bracket]}" that belongs to it', at)
        except _Stop:
            pass
        readable = list(self.text)
        for position, stand_in in self.replaced:
            readable[position : position + len(stand_in)] = stand_in
        return Scanned(tuple(self.tokens), "".join(readable), tuple(self.problems))

    def step(self) -> None:
        blank = _SPACE.match(self.text, self.position)
        if blank:
            self.position = blank.end()
            if self.position == len(self.text):
                return
        spaced = blank is not None
        start = self.position
        line, column = self.line, start - self.line_start + 1
        character = self.text[start]
        if character == "\n":
            self.position += 1
            self.next_line()
            kind = Kind.NEWLINE
        elif character == "#" or self.text.startswith("//", start):
            end = self.text.find("\n", start)
            self.position = len(self.text) if end < 0 else end
            kind = Kind.COMMENT
        elif self.text.startswith("/*", start):
            self.block_comment()
            kind = Kind.BLOCK_COMMENT
        elif character == '"':
            self.string(0)
            kind = Kind.STRING
        elif self.text.startswith("<<", start):
            self.heredoc()
            kind = Kind.HEREDOC
        else:
            kind = self.simple(character)
        text = self.text[start : self.position]
        if kind in {Kind.COMMENT, Kind.BLOCK_COMMENT}:
            self.replaced.append((start, re.sub(r"[^\n]", " ", text)))
        self.tokens.append(Token(kind, text, line, column, spaced))

    def simple(self, character: str) -> Kind:
        for pattern, kind in ((_WORD, Kind.WORD), (_NUMBER, Kind.NUMBER), (_OPERATOR, Kind.OPERATOR)):
            found = pattern.match(self.text, self.position)
            if found:
                if kind is Kind.OPERATOR:
                    self.bracket(found.group())
                self.position = found.end()
                return kind
        self.complain(f"unexpected character {shown(character)}", _character_hint(character))
        raise _Stop

    def bracket(self, operator: str) -> None:
        if operator in _CLOSER:
            self.open.append((operator, self.here()))
            if len(self.open) > MAXIMUM_NESTING:
                self.complain(_TOO_DEEP, _SIMPLIFY)
                raise _Stop
        elif operator in _CLOSER.values():
            if not self.open:
                self.complain(f'"{operator}" closes nothing', "remove it, or add the bracket that it belongs to")
                raise _Stop
            bracket, at = self.open.pop()
            if _CLOSER[bracket] != operator:
                self.complain(f'"{bracket}" is not closed by "{operator}"', f'"{operator}" stands at {self.here()}', at)
                raise _Stop

    def next_line(self) -> None:
        self.line += 1
        self.line_start = self.position

    def block_comment(self) -> None:
        end = self.text.find("*/", self.position + 2)
        if end < 0:
            self.complain("this comment is never closed", 'add "*/"')
            raise _Stop
        self.skip_to(end + 2)

    def skip_to(self, end: int) -> None:
        """Move on over line breaks."""
        breaks = self.text.count("\n", self.position, end)
        if breaks:
            self.line += breaks
            self.line_start = self.text.rindex("\n", self.position, end) + 1
        self.position = end

    def heredoc(self) -> None:
        opening = _HEREDOC.match(self.text, self.position)
        if not opening or opening.group(3).strip():
            self.complain("not a heredoc", "write << or <<- and a marker, and nothing else on that line, as in <<EOF")
            raise _Stop
        marker = opening.group(2)
        if opening.group(3):
            self.complain("blanks follow the marker of a heredoc", f"remove the blanks after {marker}")
            raise _Stop
        closing = re.compile(rf"^[ \t]*{re.escape(marker)}$", re.MULTILINE).search(self.text, opening.end())
        if not closing:
            self.complain(f"the heredoc is never closed: no line holds {marker} alone", f"add a line {marker}")
            raise _Stop
        self.check_characters(opening.end(), closing.start())
        self.skip_to(closing.end())

    def check_characters(self, start: int, end: int) -> None:
        bad = re.compile(r"[\ue000\ue001\x00-\x08\x0b-\x1f\x7f]").search(self.text, start, end)
        if bad:
            self.skip_to(bad.start())
            self.complain(f"unexpected character {shown(bad.group())}", "remove it")
            raise _Stop

    def string(self, depth: int) -> None:
        opened = self.here()
        if depth > MAXIMUM_NESTING:
            self.complain(_TOO_DEEP, _SIMPLIFY)
            raise _Stop
        self.position += 1
        while True:
            plain = _PLAIN.match(self.text, self.position)
            if plain:
                self.position = plain.end()
            rest = self.text[self.position : self.position + 3]
            if rest[:1] == '"':
                self.position += 1
                return
            if not rest or rest[0] == "\n" or rest[:2] == "\\\n":
                self.complain_of_open_text(opened)
                raise _Stop
            if rest in {"$${", "%%{"}:
                self.replaced.append((self.position, ESCAPED_INTERPOLATION if rest[0] == "$" else ESCAPED_DIRECTIVE))
                self.position += 3
            elif rest[:2] in {"${", "%{"}:
                self.interpolation(depth)
            elif rest[0] == "\\":
                self.position += min(2, len(rest))
            elif rest[0] in "$%":
                self.position += 1
            else:
                self.complain(f"unexpected character {shown(rest[0])}", "remove it")
                raise _Stop

    def complain_of_open_text(self, opened: Location) -> None:
        """Name the outermost `${` instead, where one is open: the quote met is then the end of the outer text."""
        if self.interpolations:
            self.complain(*_OPEN_INTERPOLATION, self.interpolations[0])
        else:
            self.complain(*_OPEN_TEXT, opened)

    def interpolation(self, depth: int) -> None:
        self.interpolations.append(self.here())
        self.position += 2
        braces = 1
        while braces:
            character = self.text[self.position : self.position + 1]
            if character in {"", "\n"}:
                self.complain(*_OPEN_INTERPOLATION, self.interpolations[0])
                raise _Stop
            if character == '"':
                self.string(depth + 1)
                continue
            braces += (character == "{") - (character == "}")
            if braces > MAXIMUM_NESTING:
                self.complain(_TOO_DEEP, _SIMPLIFY)
                raise _Stop
            self.position += 1


def shown(character: str) -> str:
    """Spell a character for a message: itself in quotes where it can be seen, else its code point."""
    if character == " ":
        return "a space"
    return f'"{character}"' if character.isprintable() and not character.isspace() else f"U+{ord(character):04X}"


def _character_hint(character: str) -> str:
    if character == "'":
        return 'text stands in double quotes: "..."'
    if character == "\ufeff":
        return "save the file as UTF-8 without a byte order mark"
    if character == ";":
        return "one attribute a line; no semicolon"
    return "remove it, or put it into quotes"
