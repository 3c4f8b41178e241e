"""How plain labels of the field are set: `m(K_S K pi)` with a lowered S and a Greek letter.

Results and recipes spell labels in ASCII. Only what is well known is set otherwise; any other text stays as it is.
"""

# ruff: noqa: RUF001 - Greek letters are meant
from __future__ import annotations

import re
from dataclasses import dataclass
from html import escape

_WORDS = {
    "J/psi": "J/ψ",
    "alpha": "α",
    "beta": "β",
    "chi2": "χ²",
    "deg": "°",
    "eta": "η",
    "gamma": "γ",
    "kappa": "κ",
    "lambda": "λ",
    "mu": "μ",
    "nbar": "n\N{COMBINING MACRON}",
    "pbar": "p\N{COMBINING MACRON}",
    "phi": "φ",
    "pi": "π",
    "psi": "ψ",
    "rho": "ρ",
    "sigma": "σ",
    "tau": "τ",
    "theta": "θ",
    "->": "→",
    "+-": "±",
}
_RAISED = str.maketrans("+-0123456789", "⁺⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_LETTER = "A-Za-z"
_WORD = re.compile(
    rf"J/psi|->|(?<!\S)\+-(?!\S)|(?<![{_LETTER}])(?:"
    + "|".join(sorted((re.escape(word) for word in _WORDS if word[0].isalpha()), key=len, reverse=True))
    + rf")(?![{_LETTER}])"
)
_PARTICLE = r"(?:π|μ|ρ|τ|e|K|p|γ)"
_CHARGE = re.compile(rf"(?<![^\W⁰])({_PARTICLE})([+-]|0)(?![\w.>+-])")
_CHARGE_BEFORE_ANOTHER = re.compile(rf"(?<![^\W⁰])({_PARTICLE})([+-])(?={_PARTICLE}[+-])")
_POWER = re.compile(r"\^(-?\d+)")
_LOWERED = re.compile(r"(?<!\w)([^\W\d_]{1,3}|χ²)_([^\W_]{1,5})(?!\w)")


@dataclass(frozen=True)
class Run:
    """A piece of text, on the line or below it."""

    text: str
    lowered: bool = False


def runs(text: str) -> tuple[Run, ...]:
    """Set a plain label; control characters become spaces."""
    text = "".join(c if c.isprintable() else " " for c in text)
    text = _WORD.sub(lambda found: _WORDS[found[0]], text)
    for charge in (_CHARGE_BEFORE_ANOTHER, _CHARGE):
        text = charge.sub(lambda found: found[1] + found[2].translate(_RAISED), text)
    text = _POWER.sub(lambda found: found[1].translate(_RAISED), text)
    pieces = []
    end = 0
    for found in _LOWERED.finditer(text):
        pieces += [Run(text[end : found.start()] + found[1]), Run(found[2], lowered=True)]
        end = found.end()
    pieces.append(Run(text[end:]))
    return tuple(piece for piece in pieces if piece.text)


def as_text(text: str) -> str:
    """Give a label as plain Unicode, for titles and descriptions."""
    return "".join(f"_{run.text}" if run.lowered else run.text for run in runs(text))


def as_html(text: str) -> str:
    """Give a label as HTML; what it holds is escaped."""
    return "".join(f"<sub>{escape(run.text)}</sub>" if run.lowered else escape(run.text) for run in runs(text))
