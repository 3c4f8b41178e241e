"""Decay cards: the five of the release, and what is refused."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from miniboss.decay_card import Channel, Decay, DecayCardError, decay_of, parse_decay_card, read_decay_card

import miniboss

CARDS = Path(miniboss.__file__).parent / "decay_cards"


def card(*lines: str) -> str:
    return "\n".join(["Decay J/psi", *lines, "Enddecay", "", "End", "", ""])


def decay(text: str) -> Decay:
    return decay_of(parse_decay_card(text, "my.dec"), "my.dec")


@pytest.mark.parametrize("channel", list(Channel))
def test_the_release_has_a_card_for_each_channel(channel: Channel) -> None:
    assert read_decay_card(CARDS / f"{channel}.dec").channel is channel


def test_the_card_of_the_protons_gives_the_measured_alpha() -> None:
    assert read_decay_card(CARDS / "ppbar.dec") == Decay(Channel.PPBAR, alpha=0.595)


def test_fractions_are_normalised_and_decide_the_share_of_the_two_charges() -> None:
    text = card("3 K_S0 K- pi+ TOY_KSTARK;", "1.0 pi- K+ K_S0 TOY_KSTARK;")
    assert decay(text) == Decay(Channel.KSKPI, k_minus=0.75)


def test_a_mode_may_stand_in_several_lines_and_several_modes_in_one() -> None:
    text = card("0.5 K_S0 K- # negative", "  pi+ TOY_KSTARK; 0.5 K_S0 K+ pi- TOY_KSTARK;")
    assert decay(text) == Decay(Channel.KSKPI)


@pytest.mark.parametrize("ending", ["End", "End\n", "End # here\n"])
def test_a_card_without_an_empty_line_at_the_end_is_refused(ending: str) -> None:
    with pytest.raises(DecayCardError, match=r"my.dec: the decay card does not end with an empty line after `End`"):
        decay(f"Decay J/psi\n1 e+ e- VLL;\nEnddecay\n{ending}")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "my.dec: the decay card does not end with `End`"),
        ("Decay J/psi\n1 e+ e- VLL;\nEnddecay\n\n", "my.dec: the decay card does not end with `End`"),
        ("Decay J/psi\n1 e+ e- VLL;\nEnd\n\n", "my.dec:3: expected a mode or `Enddecay`, not 'End'"),
        ("Decay J/psi\n1 e+ e- VLL\nEnddecay\nEnd\n\n", "my.dec:3: the mode before `Enddecay` does not end with `;`"),
        ("Decay\n", "my.dec:1: expected `Decay PARTICLE` or `End`, not 'Decay'"),
        ("Alias MyK K_S0\n", "my.dec:1: expected `Decay PARTICLE` or `End`, not 'Alias MyK K_S0'"),
        ("End\n\nDecay J/psi\n", "my.dec:3: `End` must be the last word of a decay card"),
        ("End\n\n", "my.dec: the decay card gives the J/psi no mode to decay in"),
        (card("0 e+ e- VLL;"), "my.dec: the decay card gives the J/psi no mode to decay in"),
        (card("1 e+ e- VLL;", "Enddecay", "Decay J/psi"), "my.dec:4: a second `Decay J/psi`"),
        (card("e+ e- VLL;"), "my.dec:2: expected `FRACTION DAUGHTERS MODEL;`"),
        (card("-1 e+ e- VLL;"), "my.dec:2: expected `FRACTION DAUGHTERS MODEL;`"),
        (card("nan e+ e- VLL;"), "my.dec:2: expected `FRACTION DAUGHTERS MODEL;`"),
        (card(";"), "my.dec:2: expected `FRACTION DAUGHTERS MODEL;`"),
        (card("1 VLL 3;"), "my.dec:2: expected `FRACTION DAUGHTERS MODEL;`"),
        (card("1 e+ e- VSS;"), "my.dec:2: model 'VSS' is not in this toy"),
        (card("1 e+ mu- VLL;"), "my.dec:2: J/psi -> e+ mu- with model VLL is not in this toy"),
        (card("1 e+ e- e- VLL;"), "my.dec:2: J/psi -> e+ e- e- with model VLL is not in this toy"),
        (card("1 e+ e- VLL 2.0;"), "my.dec:2: model VLL takes 0 parameters, not 1"),
        (card("1 p+ anti-p- J2BB1;"), "my.dec:2: model J2BB1 takes 1 parameters, not 0"),
        (card("1 p+ anti-p- J2BB1 1.5;"), "my.dec:2: alpha of J2BB1 lies between -1 and 1"),
        (card("1 e+ e- VLL;", "1 mu+ mu- VLL;"), "my.dec: the toy generates one channel in a job, not ee, mumu"),
        (card("1 e+ e- VLL;", "1 e- e+ VLL;"), "my.dec:3: a second mode of the channel ee"),
        (card("1 e+ e- VLL;", "Enddecay", "Decay pi0", "1 e+ e- gamma PHSP;"), "my.dec:5: the toy knows pi0 ->"),
    ],
)
def test_what_is_no_card_or_not_in_the_toy_is_refused_with_its_line(text: str, message: str) -> None:
    with pytest.raises(DecayCardError, match=re.escape(message)):
        decay(text)


def test_a_card_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DecayCardError, match=r"cannot read the decay card .*/none.dec: No such file or directory"):
        read_decay_card(tmp_path / "none.dec")
    (tmp_path / "binary.dec").write_bytes(b"\xff\xfe")
    with pytest.raises(DecayCardError, match="is not UTF-8 text"):
        read_decay_card(tmp_path / "binary.dec")
    (tmp_path / "large.dec").write_bytes(b"#" * 100_000)
    with pytest.raises(DecayCardError, match="is larger than 65536 bytes"):
        read_decay_card(tmp_path / "large.dec")


WORDS = st.sampled_from(["Decay", "J/psi", "Enddecay", "End", "1.0", "e+", "e-", "VLL", ";", "\n", "# x\n", "inf"])


@given(st.one_of(st.text(max_size=80), st.lists(WORDS, max_size=30).map(" ".join)))
def test_any_text_is_a_card_or_a_clear_error(text: str) -> None:
    try:
        found: Decay | str = decay(text)
    except DecayCardError as error:
        found = str(error)
    assert found.startswith("my.dec") if isinstance(found, str) else found.channel in Channel
