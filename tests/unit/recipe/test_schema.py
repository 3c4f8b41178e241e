"""The JSON Schema: valid by itself, and true of recipes."""

from typing import Any

import jsonschema
import pytest

from builder.recipe import syntax
from builder.recipe.parse import parse
from builder.recipe.schema import schema


def as_json_syntax(body: Any):
    """Give a recipe as HCL's JSON syntax writes it (hashicorp/hcl, json/spec.md)."""
    result = {}
    for item in body.items:
        if isinstance(item, syntax.Attribute):
            result[item.name] = expression(item.value)
            continue
        place = result.setdefault(item.type, {})
        for label in item.labels:
            place = place.setdefault(label.text, {})
        place.update(as_json_syntax(item.body))
    return result


def expression(value: Any):
    match value:
        case syntax.Literal(value=plain):
            return plain
        case syntax.ListOf(items=items):
            return [expression(item) for item in items]
        case syntax.MapOf(items=items):
            return {key.value: expression(item) for key, item in items}
        case _:
            return "${...}"


def problems(text: Any):
    document = as_json_syntax(parse(text.encode(), "x").body)
    return list(jsonschema.Draft202012Validator(schema()).iter_errors(document))


def test_the_schema_is_a_schema():
    jsonschema.Draft202012Validator.check_schema(schema())


@pytest.mark.parametrize("name", ["el", "whole-1.0"])
def test_good_recipes_satisfy_it(recipes: Any, name: Any):
    assert problems((recipes / name / "recipe.hcl").read_text()) == []


@pytest.mark.parametrize(
    "text",
    [
        'os {\n  family = "x"\n}\n',
        'base "x" {\n  titel = "x"\n}\n',
        'base "x" {\n  title = "x"\n}\nos {\n  family = "a;b"\n}\n',
        'base "x" {\n  title = "x"\n}\nos {\n  packages = "bash"\n}\n',
        'base "x" {\n  title = "x"\n}\nimage "avi" {}\n',
        'base "x" {\n  title = "x"\n}\nimage "sif" {\n  disk = "8GiB"\n}\n',
        'base "x" {\n  title = "x"\n}\nimage "vm" {\n  disk = "8GB"\n}\n',
        'base "x" {\n  title = "x"\n}\nimage "vm" {\n  processors = 65\n}\n',
        'base "x" {\n  title = "x"\n}\nimage "vm" {\n  kernel_arguments = ["a b"]\n}\n',
        'base "x" {\n  title = "x"\n}\npackage "boss" {\n  source "git" {}\n}\n',
        'base "x" {\n  title = "x"\n}\nvalidation {\n  time_limit = 0\n}\n',
        'base "x" {\n  title = "x"\n}\nvalidation {\n  family_wise_error_rate = 0.0\n}\n',
        'base "x" {\n  title = "x"\n}\nvalidation {\n  observable "m" {\n    test = "anderson"\n  }\n}\n',
        'base "x" {\n  title = "x"\n}\nbookkeeping {\n  source "csv" {}\n}\n',
        'base "x" {\n  title = "x"\n}\nos {\n  rpm_repository "os" {\n    url = "ftp://a.example/"\n  }\n}\n',
    ],
)
def test_bad_recipes_do_not(text: Any):
    assert problems(text)


def test_every_attribute_of_the_language_is_in_it():
    text = str(schema())
    for name in (
        "extends",
        "stands_in_for",
        "strip_components",
        "repo_gpgcheck",
        "hiera_data",
        "time_limit",
        "kernel_arguments",
        "family_wise_error_rate",
        "job_options",
        "password_variable",
        "default",
    ):
        assert f"'{name}'" in text
