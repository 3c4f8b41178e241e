"""What the host and the agent in a machine say to each other; see agent.sh for the other side. No I/O."""

from __future__ import annotations

import re
import secrets
import shlex
from collections.abc import Iterable, Mapping, Sequence

import msgspec

PIECE = 2048
"""Bytes that are sent before the agent is asked: a terminal line of old kernels loses what exceeds 4096."""
LINE_LIMIT = 4096
"""Longest answer of the agent that is not taken for noise."""
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
INNER = 'exec "$@"'
"""Becomes the command: a shell's words for what can not be executed are the same in every shape."""


class Answer(msgspec.Struct, frozen=True):
    """A line of the agent: verb and its arguments."""

    verb: str
    words: tuple[str, ...]


def new_token() -> str:
    """Make the word that begins every answer of one agent."""
    return "boss" + secrets.token_hex(6)


def quote(word: str | bytes) -> bytes:
    """Quote a word for a Bourne shell; text in UTF-8, bytes that are none (surrogateescape) unchanged."""
    data = word if isinstance(word, bytes) else word.encode("utf-8", "surrogateescape")
    return b"'" + data.replace(b"'", b"'\\''") + b"'"


def line(words: Iterable[str | bytes]) -> bytes:
    """Give a command of quoted words."""
    return b" ".join(quote(word) for word in words)


def bootstrap(nonce: str, shell: str = "/bin/sh") -> bytes:
    """Give the line that turns a bare shell into the reader of the agent.

    It fits a terminal's line. The shell may show a prompt and echo the line: so what it answers is put together from
    two halves. It may have been sent several times before it was read: the reader skips what it does not know.
    The agent's text follows in pieces of PIECE bytes, the last one filled up with newlines.
    """
    half = len(nonce) // 2
    loader = (
        f'printf "%s%s\\n" {nonce[:half]} {nonce[half:]}; '
        f'while read -r w n; do [ "$w" = {nonce} ] && break; done; t=; '
        'while [ "$n" -gt 0 ]; do '
        f"t=$t$(dd ibs=1 obs=4096 count={PIECE} 2>/dev/null; echo .); t=${{t%.}}; n=$((n - 1)); "
        f'printf "%s more\\n" {nonce}; done; eval "$t"'
    )
    return f"stty raw -echo 2>/dev/null; exec {shell} -c {shlex.quote(loader)}\n".encode()


def pieces(agent: bytes) -> list[bytes]:
    """Cut the agent's text as `bootstrap` says."""
    filled = agent + b"\n" * (-len(agent) % PIECE)
    return [filled[i : i + PIECE] for i in range(0, len(filled), PIECE)]


def without_comments(text: bytes) -> bytes:
    """Leave out the lines of a script that are nothing but a comment: a slow line need not carry them."""
    return b"".join(part for part in text.splitlines(keepends=True) if not part.lstrip().startswith(b"#"))


def assignments(settings: Mapping[str, str]) -> bytes:
    """Give shell text that sets variables."""
    return b"".join(name.encode() + b"=" + quote(value) + b"\n" for name, value in settings.items())


def command_words(command: Sequence[str], user: str, environment: Mapping[str, str]) -> list[str]:
    """Give what follows a command's number: user, environment (PATH is always set), and the words to start."""
    pairs = [f"{name}={value}" for name, value in {"PATH": DEFAULT_PATH, **environment}.items()]
    return [user, *pairs, "/bin/sh", "-c", INNER, "sh", *command]


class Answers:
    """Takes the agent's output in pieces of any size, and tells its lines from all else."""

    def __init__(self, token: str) -> None:
        """Expect lines that begin with the token."""
        self._pattern = re.compile(rb"(?:^|.*[^\w])" + token.encode() + rb" ([a-z]+)((?: [^\r]*)?)\r?$")
        self._rest = b""
        self.noise = b""
        """What came that was no answer, the last of it."""

    def feed(self, data: bytes) -> list[Answer]:
        """Take the next piece; gives the answers that are complete."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        answers = []
        for text in lines:
            found = self._pattern.match(text)
            if found:
                words = found[2].decode("utf-8", "replace").split()
                answers.append(Answer(found[1].decode(), tuple(words)))
            else:
                self._heard(text + b"\n")
        if len(self._rest) > LINE_LIMIT:
            self._heard(self._rest)
            self._rest = b""
        return answers

    def pending(self) -> bytes:
        """What came since the last line's end: a prompt ends without one."""
        return self._rest

    def forget(self) -> None:
        """Take what was no answer for harmless."""
        self.noise = b""

    def _heard(self, data: bytes) -> None:
        self.noise = (self.noise + data)[-LINE_LIMIT:]


class Marker:
    """Passes a stream on up to a marker, which may arrive in parts."""

    def __init__(self, marker: bytes) -> None:
        """Look for the marker."""
        self._marker = marker
        self._held = b""
        self.found = False

    def feed(self, data: bytes) -> bytes:
        """Take the next piece; gives what is certain to stand before the marker."""
        if self.found:
            return b""
        data = self._held + data
        before, marker, _ = data.partition(self._marker)
        if marker:
            self.found, self._held = True, b""
            return before
        keep = next((n for n in range(len(self._marker) - 1, 0, -1) if data.endswith(self._marker[:n])), 0)
        self._held = data[len(data) - keep :]
        return data[: len(data) - keep]
