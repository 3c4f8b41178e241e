"""Repositories of git, made by git itself."""

import os
import subprocess
from pathlib import Path


def git(folder: Path, *words: str, stdin: bytes = b"") -> str:
    """Run git in a folder, without anybody's settings; give what it says."""
    surroundings = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    done = subprocess.run(
        ["git", "-c", "user.name=Author", "-c", "user.email=author@example.invalid", *words],
        cwd=folder,
        env=surroundings | {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"},
        input=stdin,
        capture_output=True,
        timeout=60,
        check=True,
    )
    return done.stdout.decode().strip()


def make_repository(folder: Path, *, algorithm: str = "sha1") -> Path:
    """Make a repository with files of each kind that git has, in one commit; a folder `src` below."""
    folder.mkdir(parents=True)
    git(folder, "init", "--quiet", f"--object-format={algorithm}", "--initial-branch=main")
    (folder / "src").mkdir()
    (folder / "src" / "main.cc").write_bytes(b"int main() {}\n")
    (folder / "src" / "run.sh").write_text("#!/bin/sh\n")
    (folder / "src" / "run.sh").chmod(0o755)
    (folder / "src.txt").write_text("sorts before the folder src for git, and after it for nobody\n")
    (folder / "link").symlink_to("src/main.cc")
    (folder / os.fsdecode(b"caf\xe9 \n name")).write_text("a name in Latin 1, with an end of line in it\n")
    (folder / ".gitattributes").write_text("*.cc text eol=crlf\nsrc.txt export-ignore\nREVISION export-subst\n")
    (folder / "REVISION").write_text("$Format:%H$\n")
    (folder / "empty").write_bytes(b"")
    git(folder, "-c", "core.autocrlf=false", "add", "--all")
    return folder


def commit(folder: Path, message: str = "One") -> str:
    """Commit what was added; give the commit's name."""
    git(folder, "commit", "--quiet", "--allow-empty", f"--message={message}")
    return git(folder, "rev-parse", "HEAD")
