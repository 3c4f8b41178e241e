"""The standard layout: exact texts, and that it keeps meaning and comments, whatever it is given."""

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builder.core.errors import InputFailure
from builder.recipe.layout import formatted
from builder.recipe.parse import parse
from builder.recipe.tokens import Kind, scan

TABLE = {
    "equal signs of consecutive lines stand in one column": (
        "a=1\nlong =2\n\nb= 3\n",
        "a    = 1\nlong = 2\n\nb = 3\n",
    ),
    "blocks are indented by two": (
        'os  "x"   {\na=1\n      b{\nc=2\n}\n    }\n',
        'os "x" {\n  a = 1\n  b {\n    c = 2\n  }\n}\n',
    ),
    "blank lines": (
        "\n\na {\n\n\n  b = 1\n\n\n  c = 2\n\n}\n\n\nd = 1\n\n\n",
        "a {\n  b = 1\n\n  c = 2\n}\n\nd = 1\n",
    ),
    "comments are kept, and aligned where they follow values": (
        "# top\na = 1 # one\nlong = 22   // two\n   /* block */\nb = /* in */ 3\n",
        "# top\na    = 1  # one\nlong = 22 // two\n/* block */\nb = /* in */ 3\n",
    ),
    "a list of many lines breaks the column": (
        'a = 1\nlonger = [\n"x",\n  "y"\n]\nb = 2\n',
        'a = 1\nlonger = [\n  "x",\n  "y"\n]\nb = 2\n',
    ),
    "brackets that open together close together": (
        "a = [{\nb = 1\n}, {\nb = 2\n}]\n",
        "a = [{\n  b = 1\n}, {\n  b = 2\n}]\n",
    ),
    "spaces inside an expression": (
        "a = f ( x ,- 1 )==b [ 0 ]?c . d:[1,2 , 3]\nm = {a=1,b  :  2}\ne = { }\n",
        "a = f(x, -1) == b[0] ? c.d : [1, 2, 3]\nm = { a = 1, b : 2 }\ne = {}\n",
    ),
    "texts and heredocs are left as they are": (
        'a   = "x  ${ f( 1 ) }"\nb = <<-EOF\n      text  =  1\n   EOF\nc=1\n',
        'a = "x  ${ f( 1 ) }"\nb = <<-EOF\n      text  =  1\n   EOF\nc = 1\n',
    ),
    "line ends of Windows, blanks at line ends, a missing last line end": ("a = 1  \r\nb = 2", "a = 1\nb = 2\n"),
}  # fmt: skip


@pytest.mark.parametrize(("before", "after"), TABLE.values(), ids=TABLE.keys())
def test_the_layout_is(before: Any, after: Any):
    # `f`, `x` and the like need not be defined: the layout knows nothing of their meaning.
    assert formatted(before.encode(), "x").decode() == after
    assert formatted(after.encode(), "x").decode() == after


def test_a_text_that_cannot_be_parsed_is_an_input_failure():
    with pytest.raises(InputFailure, match="never closed"):
        formatted(b"a {\n", "x")


def meaning(node: Any):
    """Give syntax without its places."""
    if isinstance(node, tuple):
        return tuple(meaning(item) for item in node)
    if hasattr(node, "__struct_fields__"):
        return (type(node).__name__, *(meaning(getattr(node, f)) for f in node.__struct_fields__ if f != "at"))
    return node


words = st.sampled_from(["a", "bb", "name", "in", "for", "true", "os"])
blanks = st.text(" \t", max_size=3)
comments = st.sampled_from(["", "# c", "// c  d", "/* c */", "#"])
texts = st.sampled_from(['""', '"a  b"', '"${ x.y }"', '"$${"', '"a\\"b"', '"é"', '"${"}"}"'])


def joined(parts: Any):
    return st.tuples(*parts).map("".join)


def expressions():
    leaves = st.one_of(st.sampled_from(["1", "- 1", "-12", "1.5", "true", "null", "x", "x . y", "x [0]", "x.0"]), texts)
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.lists(joined([blanks, inner, blanks]), max_size=3).map(lambda items: f"[{','.join(items)}]"),
            st.lists(joined([blanks, inner, blanks]), max_size=3).map(
                lambda items: "[\n" + ",\n\n".join(items) + "\n]"
            ),
            st.lists(st.tuples(words, blanks, inner), max_size=3).map(
                lambda items: "{\n" + "\n".join(f"{w}{b}={b}{i}" for w, b, i in items) + "\n}"
            ),
            st.tuples(inner, blanks, inner).map(lambda t: f"join({t[0]}{t[1]},{t[2]})"),
            st.tuples(inner, inner, inner, blanks).map(lambda t: f"({t[0]}{t[3]}==1 ?{t[1]} :{t[3]}{t[2]})"),
        ),
        max_leaves=6,
    )


heredocs = st.sampled_from(["<<EOF\n a  =  1\nEOF", "<<-E\n   x ${y}\n\n     z\n  E"])
attributes = st.tuples(words, blanks, st.one_of(expressions(), heredocs), blanks, comments).map(
    lambda t: f"{t[1]}{t[0]}{t[3]}={t[1]}{t[2]}" + (f"{t[3]} {t[4]}" if not t[2].startswith("<<") else "")
)
lines = st.one_of(attributes, comments, blanks)
bodies = st.recursive(
    st.lists(lines, max_size=5).map("\n".join),
    lambda inner: st.tuples(inner, words, blanks, inner).map(
        lambda t: f'{t[0]}\n{t[2]}{t[1]}{t[2]} "l"{t[2]}{{\n{t[3]}\n}}\n'
    ),
    max_leaves=5,
)


@given(bodies)
@settings(deadline=None, max_examples=50)
def test_the_layout_keeps_meaning_and_comments_and_is_stable(text: Any):
    parsed = parse(text.encode(), "x")
    if parsed.body is None:
        return
    once = _tolerant(text)
    again = parse(once.encode(), "x")
    assert again.body is not None
    assert meaning(again.body) == meaning(parsed.body)
    assert _comments(once) == _comments(text)
    assert _tolerant(once) == once
    assert not re.search(r"[ \t]+$", re.sub(r"(?s)<<.*?\n\s*(EOF|E)\n", "heredoc\n", once), re.MULTILINE)


def _tolerant(text: Any):
    """Lay out a text that the grammar takes, though this language may not (`-x`)."""
    from builder.recipe.layout import _layout

    return _layout(scan(text, "x").tokens)


def _comments(text: Any):
    return [t.text.rstrip() for t in scan(text, "x").tokens if t.kind in {Kind.COMMENT, Kind.BLOCK_COMMENT}]
