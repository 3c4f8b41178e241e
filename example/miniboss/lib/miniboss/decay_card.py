"""Decay cards: how the J/psi decays, in the notation of EvtGen (`Decay`, modes, `Enddecay`, `End`).

    Decay J/psi
    1.0 p+ anti-p- J2BB1 0.595;
    Enddecay

    End
                        <- an empty line: without it BOSS crashes, and the toy refuses the card

`#` begins a comment. Of EvtGen's models the toy knows VLL (vector to leptons) and PHSP (phase space, for the decays of
pi0 and K_S0, which may be left out); of BesEvtGen's J2BB1, with alpha of 1 + alpha cos^2(theta) as its parameter. The
models TOY_RHOPI and TOY_KSTARK are the toy's own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from miniboss.errors import JobError
from miniboss.text_files import read_text

_SIZE_LIMIT = 65536
"""Bytes; a card is a few lines."""


class Channel(StrEnum):
    """The decays of the J/psi that the toy can generate and analyse."""

    EE = "ee"
    MUMU = "mumu"
    PPBAR = "ppbar"
    RHOPI = "rhopi"
    KSKPI = "kskpi"


class DecayCardError(JobError):
    """A decay card that cannot be followed; says where and why."""


@dataclass(frozen=True)
class Mode:
    """A line of a card: `fraction daughters model parameters;`, and where it stands (`file:line`)."""

    fraction: float
    daughters: tuple[str, ...]
    model: str
    parameters: tuple[float, ...]
    where: str


@dataclass(frozen=True)
class Decay:
    """What the generator is asked for.

    `alpha` is that of 1 + alpha cos^2(theta) and used for two-body decays only; `k_minus` is the share of K_S K- pi+,
    the rest being K_S K+ pi-, and used for kskpi only.
    """

    channel: Channel
    alpha: float = 1.0
    k_minus: float = 0.5


_K_MINUS = frozenset({"K_S0", "K-", "pi+"})
_MODES = {
    ("VLL", frozenset({"e+", "e-"})): Channel.EE,
    ("VLL", frozenset({"mu+", "mu-"})): Channel.MUMU,
    ("J2BB1", frozenset({"p+", "anti-p-"})): Channel.PPBAR,
    ("TOY_RHOPI", frozenset({"pi+", "pi-", "pi0"})): Channel.RHOPI,
    ("TOY_KSTARK", _K_MINUS): Channel.KSKPI,
    ("TOY_KSTARK", frozenset({"K_S0", "K+", "pi-"})): Channel.KSKPI,
}
_PARAMETERS = {"VLL": 0, "J2BB1": 1, "TOY_RHOPI": 0, "TOY_KSTARK": 0, "PHSP": 0}
_SECONDARY = {"pi0": ("gamma", "gamma"), "K_S0": ("pi+", "pi-")}


def read_decay_card(file: Path) -> Decay:
    """Read a card from a file. Raises DecayCardError where it cannot be read or followed."""
    text = read_text(file, "decay card", _SIZE_LIMIT, DecayCardError)
    return decay_of(parse_decay_card(text, str(file)), str(file))


def parse_decay_card(text: str, name: str) -> dict[str, tuple[Mode, ...]]:
    """Read a card: the modes of each parent. `name` is what errors call the file.

    Raises DecayCardError for what is not the notation; whether the toy can do it is asked by `decay_of`.
    """
    reader = _Reader()
    lines = text.split("\n")
    for number, line in enumerate(lines, start=1):
        words = line.partition("#")[0].split()
        if words:
            reader.read(words, f"{name}:{number}")
    if not reader.ended:
        raise DecayCardError(f"{name}: the decay card does not end with `End`")
    if not text.endswith("\n") or lines[-2].strip():
        raise DecayCardError(f"{name}: the decay card does not end with an empty line after `End`")
    return reader.decays


@dataclass
class _Reader:
    """Where the reading of a card stands: in which `Decay` block, if in any, and in which unfinished mode."""

    decays: dict[str, tuple[Mode, ...]] = field(default_factory=dict)
    parent: str | None = None
    modes: list[Mode] = field(default_factory=list)
    statement: str = ""
    ended: bool = False

    def read(self, words: list[str], where: str) -> None:
        """Read the words of one line."""
        if self.ended:
            raise DecayCardError(f"{where}: `End` must be the last word of a decay card")
        if words[0] not in {"Decay", "Enddecay", "End"} and self.parent is not None:
            self._read_modes(words, where)
        elif self.statement:
            raise DecayCardError(f"{where}: the mode before `{words[0]}` does not end with `;`")
        elif self.parent is None:
            self._read_outside(words, where)
        elif words == ["Enddecay"]:
            self.decays[self.parent], self.parent = tuple(self.modes), None
        else:
            raise DecayCardError(f"{where}: expected a mode or `Enddecay`, not {' '.join(words)!r}")

    def _read_modes(self, words: list[str], where: str) -> None:
        *complete, self.statement = " ".join([self.statement, *words]).split(";")
        self.modes += [_mode(mode.split(), where) for mode in complete]

    def _read_outside(self, words: list[str], where: str) -> None:
        if words[0] == "Decay" and len(words) == 2:  # noqa: PLR2004 - the word and the particle
            if words[1] in self.decays:
                raise DecayCardError(f"{where}: a second `Decay {words[1]}`")
            self.parent, self.modes = words[1], []
        elif words == ["End"]:
            self.ended = True
        else:
            raise DecayCardError(f"{where}: expected `Decay PARTICLE` or `End`, not {' '.join(words)!r}")


def _mode(words: list[str], where: str) -> Mode:
    """Read `fraction daughters model parameters`: the parameters are the numbers at the end."""
    numbers = [_number(word) for word in words]
    if not words or numbers[0] is None or numbers[0] < 0.0:
        raise DecayCardError(
            f"{where}: expected `FRACTION DAUGHTERS MODEL;`, the fraction a number that is not negative"
        )
    end = len(words)
    while end > 1 and numbers[end - 1] is not None:
        end -= 1
    if end < 3:  # noqa: PLR2004 - the fraction, a daughter and the model
        raise DecayCardError(f"{where}: expected `FRACTION DAUGHTERS MODEL;`, not {' '.join(words)!r}")
    parameters = tuple(number for number in numbers[end:] if number is not None)
    return Mode(numbers[0], tuple(words[1 : end - 1]), words[end - 1], parameters, where)


def _number(word: str) -> float | None:
    """Read a finite number, or say that it is none."""
    try:
        number = float(word)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def decay_of(decays: dict[str, tuple[Mode, ...]], name: str) -> Decay:
    """Say what the generator has to do for a card. Raises DecayCardError for what the toy cannot do."""
    for parent, modes in decays.items():
        if parent != "J/psi":
            _check_secondary(parent, modes)
    modes = decays.get("J/psi", ())
    total = sum(mode.fraction for mode in modes)
    if not 0.0 < total < math.inf:
        raise DecayCardError(f"{name}: the decay card gives the J/psi no mode to decay in")
    channels = {_channel(mode) for mode in modes}
    if len(channels) > 1:
        raise DecayCardError(f"{name}: the toy generates one channel in a job, not {', '.join(sorted(channels))}")
    channel = channels.pop()
    if channel is Channel.KSKPI:
        share = sum(mode.fraction for mode in modes if frozenset(mode.daughters) == _K_MINUS)
        return Decay(channel, k_minus=share / total)
    if len(modes) > 1:
        raise DecayCardError(f"{modes[1].where}: a second mode of the channel {channel}")
    return Decay(channel, alpha=modes[0].parameters[0]) if channel is Channel.PPBAR else Decay(channel)


def _channel(mode: Mode) -> Channel:
    """Find the channel of a mode of the J/psi."""
    if mode.model not in _PARAMETERS:
        known = ", ".join(sorted(_PARAMETERS))
        raise DecayCardError(f"{mode.where}: model {mode.model!r} is not in this toy, which has {known}")
    channel = _MODES.get((mode.model, frozenset(mode.daughters)))
    if channel is None or len(mode.daughters) != len(set(mode.daughters)):
        final = " ".join(mode.daughters)
        raise DecayCardError(f"{mode.where}: J/psi -> {final} with model {mode.model} is not in this toy")
    if len(mode.parameters) != _PARAMETERS[mode.model]:
        asked = _PARAMETERS[mode.model]
        raise DecayCardError(f"{mode.where}: model {mode.model} takes {asked} parameters, not {len(mode.parameters)}")
    if channel is Channel.PPBAR and abs(mode.parameters[0]) > 1.0:
        raise DecayCardError(f"{mode.where}: alpha of J2BB1 lies between -1 and 1")
    return channel


def _check_secondary(parent: str, modes: tuple[Mode, ...]) -> None:
    """Refuse a decay of a daughter that the toy does not do: it has one mode each for pi0 and K_S0."""
    for mode in modes:
        known = tuple(sorted(mode.daughters)) == _SECONDARY.get(parent)
        if not known or mode.model != "PHSP" or mode.parameters or len(modes) > 1:
            raise DecayCardError(f"{mode.where}: the toy knows pi0 -> gamma gamma and K_S0 -> pi+ pi-, model PHSP only")
