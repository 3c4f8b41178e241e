"""The documentation keeps its promises: links lead somewhere, commands exist, nothing of one machine is in it."""

import re
import shlex
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

import click
import pytest

from builder.cli.main import COMMANDS, LazyGroup, cli

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", ROOT / "images" / "README.md", *DOCS.rglob("*.md")])
PAGES_WITH_EXAMPLES = [page for page in PAGES if page.parent in (ROOT, DOCS, DOCS / "commands")]
HOSTS = re.compile(r"([a-z0-9-]+\.)*example(\.[a-z]+)?|127\.0\.0\.1")
"""Names for examples (RFC 2606, RFC 6761), and the loopback interface."""
REFERENCES = {"github.com", "keepachangelog.com", "www.loc.gov", "reproducible-builds.org", "testinfra.readthedocs.io"}
"""Sites that describe formats and tools."""
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
CALL = re.compile(r"(?:^|[\s|(`])boss-builder (?=[a-z-])(.*)")
EVERYWHERE = {"recipes", "verbose"}
"""Options that docs/index.md describes for all commands, so that a page need not."""
GROUP = LazyGroup(name="boss-builder")


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def anchors(page: Path) -> set[str]:
    """Names that headings have as targets of links, as GitHub makes them."""
    heads = (line.lstrip("#").strip() for line in page.read_text("utf-8").splitlines() if line.startswith("#"))
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


def broken_links(page: Path) -> list[str]:
    broken = []
    for link in LINK.findall(page.read_text("utf-8")):
        if urlsplit(link).scheme:
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    return broken


def parse(words: list[str]) -> None:
    """Parse a call as click would, without running it. Raises click.ClickException where it does not parse."""
    if words[0] in ("--help", "--version"):
        return
    command = GROUP.get_command(click.Context(GROUP), words[0])
    if command is None:
        raise click.UsageError(f"no command {words[0]!r}")
    if isinstance(command, click.Group) and (inner := command.commands.get(words[1])):
        command, words = inner, words[1:]
    if words[1:2] not in (["--help"], ["-h"]):
        command.make_context(words[0], list(words[1:]))


def examples(page: Path) -> list[list[str]]:
    """Calls that a reader would type: in indented and fenced code, up to a pipe, a redirection or a comment."""
    calls, fenced = [], False
    for line in page.read_text("utf-8").splitlines():
        if line.startswith("```"):
            fenced = not fenced
        match = CALL.search(line.split(" # ")[0])
        if match and (fenced or line.startswith("    ")) and not line.startswith("    next:") and "[" not in line:
            lexer = shlex.shlex(match[1], posix=True, punctuation_chars="|&;<>")
            lexer.whitespace_split = True
            words = list(lexer)
            ends = [number for number, word in enumerate(words) if set(word) <= set("|&;<>")]
            calls.append(words[: ends[0]] if ends else words)
    return calls


def synopses(page: Path) -> list[str]:
    """The first block of a command's page: every way to call it."""
    block = page.read_text("utf-8").split("\n\n")[1]
    return [line.strip() for line in block.splitlines()]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_to_files_and_headings_that_are_there(page: Path):
    assert broken_links(page) == []


def test_a_broken_link_is_found(tmp_path: Path):
    page = tmp_path / "page.md"
    page.write_text(
        "# One head\n[a](page.md#one-head) [b](#no-head) [c](gone.md) [d](https://vault.example/)\n", "utf-8"
    )
    assert broken_links(page) == ["#no-head", "gone.md"]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_has_a_page_that_the_index_names_with_its_summary(command: str):
    assert (DOCS / "commands" / f"{command}.md").read_text("utf-8").startswith(f"# boss-builder {command}\n")
    assert f"| [{command}](commands/{command}.md) | {COMMANDS[command]} |" in (DOCS / "index.md").read_text("utf-8")


def test_a_page_of_commands_is_that_of_a_command():
    assert {page.stem for page in (DOCS / "commands").glob("*.md")} == set(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_synopsis_has_the_options_that_the_command_has(command: str):
    found = GROUP.get_command(click.Context(GROUP), command)
    assert found is not None
    commands = [found, *(found.commands.values() if isinstance(found, click.Group) else [])]
    options = [p for one in commands for p in one.params if isinstance(p, click.Option)]
    shown = set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", " ".join(synopses(DOCS / "commands" / f"{command}.md"))))
    known = {name for option in options for name in option.opts}
    missing = {option.name for option in options if not shown & set(option.opts)} - EVERYWHERE
    assert (shown - known, missing) == (set(), set())


@pytest.mark.parametrize("page", PAGES_WITH_EXAMPLES, ids=name_of)
def test_examples_parse(page: Path):
    for words in examples(page):
        try:
            parse(words)
        except click.ClickException as error:
            pytest.fail(f"boss-builder {shlex.join(words)}: {error.format_message()}")


@pytest.mark.parametrize(
    "words", ["nosuch", "build", "build miniboss-1.0.0 --nosuch", "render miniboss-1.0.0", "list x"]
)
def test_an_example_that_would_not_work_is_found(words: str):
    with pytest.raises(click.ClickException):
        parse(words.split())


def test_the_readme_begins_with_two_commands_and_has_the_first_command_of_each_user():
    readme = ROOT / "README.md"
    lines = [line for line in readme.read_text("utf-8").splitlines() if line]
    assert [line.split("#")[0].strip() for line in lines[1:3]] == ["make demo", "make test"]
    assert {words[0] for words in examples(readme)} == {
        "init", "check", "freeze", "run", "rebuild", "history", "verify", "audit", "repair", "export",
    }  # fmt: skip


def test_the_examples_of_help_are_examples_that_parse():
    for name in COMMANDS:
        command = GROUP.get_command(click.Context(GROUP), name)
        assert command is not None
        inner = command.commands.values() if isinstance(command, click.Group) else ()
        epilogs = [one.epilog or "" for one in (cli, command, *inner)]
        for line in "\n".join(epilogs).splitlines():
            match = CALL.search(line)
            if match:
                parse(shlex.split(re.split(r" [|<>] ", match[1])[0]))


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_no_page_names_a_mirror_or_a_path_of_this_machine(page: Path):
    text = page.read_text("utf-8")
    hosts = {urlsplit(address).hostname or "" for address in re.findall(r"https?://[^\s)\"'`>]+", text)}
    assert {host for host in hosts if not HOSTS.fullmatch(host)} <= REFERENCES
    for path in (ROOT, Path.home(), Path(tempfile.gettempdir())):
        assert f"{path}/" not in text
