"""What expressions give; each is the value of a local that a whole recipe holds."""

from typing import Any

import pytest

from builder.core.errors import Problem
from builder.recipe.evaluate import UNKNOWN, Definition, Evaluator
from builder.recipe.parse import parse


def value_of(text: Any):
    parsed = parse(f"value = {text}\n".encode(), "x.hcl")
    assert parsed.problems == ()
    scope = {
        "var": {"name": Definition(value="el"), "flag": Definition(value=True)},
        "local": {"list": Definition(value=["a", "b"]), "map": Definition(value={"k": {"deep": 1}})},
    }
    problems: list[Problem] = []
    value = Evaluator(scope, problems).value(next(parsed.body.attributes).value)
    assert problems == []
    assert value is not UNKNOWN
    return value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1),
        ("-12", -12),
        ("- 3", -3),
        ("1.5e3", 1500.0),
        ("true", True),
        ("null", None),
        ('""', ""),
        ('"a\\n\\t\\"\\\\b"', 'a\n\t"\\b'),
        ('"\\u00e9 é \\U0001F600"', "é é 😀"),
        ('"$${x} %%{y} $ % $$ 100%"', "${x} %{y} $ % $$ 100%"),
        ('"$$${x}"', "$${x}"),
        ('"${var.name}/x/${1}/${true}/${1.5}"', "el/x/1/true/1.5"),
        ('"${local.list}"', ["a", "b"]),
        ('"a${"b${"c"}"}"', "abc"),
        ("[]", []),
        ('[1, "a", [true],]', [1, "a", [True]]),
        ('{ a = 1, "b" = 2, (var.name) = 3, for : 4 }', {"a": 1, "b": 2, "el": 3, "for": 4}),
        ("{\n  a = 1\n  b = 2 # comment\n}", {"a": 1, "b": 2}),
        ("local.list[1]", "b"),
        ("local.list.0", "a"),
        ("local.map.k.deep", 1),
        ('local.map["k"]["deep"]', 1),
        ('var.flag ? "yes" : "no"', "yes"),
        ("false ? local.list[9] : 2", 2),
        ("1 == 1.0", True),
        ("1 == true", False),
        ('"1" == 1', False),
        ('["a", "b"] == local.list', True),
        ("{ a = 1 } != { a = 2 }", True),
        ("(1)", 1),
        ('join("-", local.list)', "a-b"),
        ('join("", [1, true])', "1true"),
        ('split(".", "1.0.2")', ["1", "0", "2"]),
        ('replace("a.b.c", ".", "_")', "a_b_c"),
        ('lower("AbC")', "abc"),
        ('upper("AbC")', "ABC"),
        ('concat(local.list, [], ["c"])', ["a", "b", "c"]),
        ('length(local.list) == length("ab")', True),
        ('contains(local.list, "b")', True),
        ("contains([1, 2], true)", False),
        ("<<EOF\n  a ${var.name}\n\n\tb \\n $${x}\nEOF", "  a el\n\n\tb \\n ${x}\n"),
        ('<<-EOF\n    a\n      b ${join("}", [1, 2])} c\n\n    d\n  EOF', "a\n  b 1}2 c\n\nd\n"),
        ("<<E\nE", ""),
    ],
)  # fmt: skip
def test_an_expression_gives(text: Any, value: Any):
    result = value_of(text)
    assert result == value
    assert type(result) is type(value)


def test_carriage_returns_of_windows_change_nothing():
    unix = parse(b'a = <<EOF\nx\nEOF\nb = "1"\n', "x.hcl")
    windows = parse(b'a = <<EOF\r\nx\r\nEOF\r\nb = "1"\r\n', "x.hcl")
    assert unix == windows


def test_python_hcl2_can_still_be_imported_whole():
    import hcl2

    assert hcl2.loads("a = 1\n") == {"a": 1}
