"""Tell whether repositories of git still have the commits, and mounts of CernVM-FS the revisions, that were frozen."""

from __future__ import annotations

from builder.core.errors import HostFailure, TimeLimitFailure
from builder.core.process import Finished
from builder.core.progress import Progress
from builder.freeze.cvmfs import find_mount
from builder.freeze.git import Git, last_words
from builder.freeze.staging import Staging
from builder.freeze.trees import Places, algorithm_of
from builder.lock.model import CvmfsTree, GitTree, Lock
from builder.rebuild.taxonomy import Cause
from builder.rebuild.upstream.notes import Notes

GIT_LIMIT = 600.0
"""Seconds for a question to git, and for what a server sends that answers no question."""
CAUSES = (
    ("certificate has expired", Cause.SIGNATURE_EXPIRED),
    ("certificate", Cause.KEY_MISSING),
    ("authentication failed", Cause.AUTH_REQUIRED),
    ("could not read username", Cause.AUTH_REQUIRED),
    ("returned error: 401", Cause.AUTH_REQUIRED),
    ("returned error: 403", Cause.AUTH_REQUIRED),
    ("returned error: 404", Cause.SOURCE_GONE),
    ("returned error: 410", Cause.SOURCE_GONE),
    ("not found", Cause.SOURCE_GONE),
    ("does not appear to be a git repository", Cause.SOURCE_GONE),
    ("not valid: is this a git repository", Cause.SOURCE_GONE),
)
"""What git says, in lower case, and what it is the cause of; of several the first. All else may pass."""


def ask_for_trees(lock: Lock, staging: Staging, places: Places, notes: Notes, progress: Progress) -> None:
    """Note what is no longer as it was of every source of git and of CernVM-FS."""
    kept = [(name, source) for name, source in sorted(lock.sources.items()) if source.git or source.cvmfs]
    if not kept:
        return
    with progress.task("ask for trees", len(kept), "sources") as task:
        for name, source in kept:
            about = f"input {name}"
            if source.git is not None:
                _ask_git(about, source.git, staging, places, notes)
            if source.cvmfs is not None:
                _ask_cvmfs(about, source.cvmfs, places, notes)
            task.advance(1)


def _ask_git(about: str, frozen: GitTree, staging: Staging, places: Places, notes: Notes) -> None:
    """Ask for the commit: whether it is the last one of a branch, else by fetching it, and last with all the others.

    With its files: a filter (`--filter=tree:0`) would make git fetch what it misses by itself, from some servers for
    ever.
    """
    shown, fetch = places.mirrors.shown(frozen.url), ("fetch", "--quiet", "--no-tags")
    try:
        git = Git(staging.folder("git"), places.mirrors, algorithm_of(frozen.commit))
        done = git.ask(frozen.url, "ls-remote", "{}", time_limit=GIT_LIMIT)
        listed = done.stdout if done.returncode == 0 else ""
        if frozen.commit in {line.partition("\t")[0] for line in listed.splitlines()}:
            return
        if done.returncode == 0:
            git.ask(frozen.url, *fetch, "--depth=1", "{}", frozen.commit, time_limit=GIT_LIMIT)
            if git.has_commit(frozen.commit):
                return
            done = git.ask(frozen.url, *fetch, "{}", "+refs/*:refs/*", time_limit=GIT_LIMIT)
        if done.returncode != 0:
            said = notes.keep(about, "git.txt", done.stderr.encode())
            notes.add(_cause(done), about, f"{shown}: {last_words(done)}", said)
        elif not git.has_commit(frozen.commit):
            refs = notes.keep(about, "ls-remote.txt", listed.encode())
            notes.add(Cause.SOURCE_GONE, about, f"{shown} no longer has the commit {frozen.commit}", refs)
    except TimeLimitFailure:
        notes.add(Cause.NETWORK_TRANSIENT, about, f"{shown}: git did not end within {GIT_LIMIT:g} s")
    except HostFailure as failure:
        notes.add(Cause.HOST_LACKS, about, failure.problems[0].message)


def _cause(done: Finished) -> Cause:
    text = done.stderr.lower()
    return next((cause for words, cause in CAUSES if words in text), Cause.NETWORK_TRANSIENT)


def _ask_cvmfs(about: str, frozen: CvmfsTree, places: Places, notes: Notes) -> None:
    """Look at the mount: at the frozen revision everything is as it was, by its digests; another one can not tell."""
    try:
        mount = find_mount(frozen.repository, places.cvmfs)
    except HostFailure as failure:
        notes.add(Cause.HOST_LACKS, about, failure.problems[0].message)
        return
    if mount.root_hash == frozen.root_hash:
        folder = mount.folder / frozen.path.removeprefix(f"/cvmfs/{frozen.repository}").strip("/")
        if not folder.is_dir():
            notes.add(Cause.SOURCE_GONE, about, f"{folder} can not be read, at the revision that was frozen")
    elif frozen.tag and mount.tag == frozen.tag:
        notes.add(
            Cause.CHECKSUM_CHANGED, about,
            f"the tag {frozen.tag!r} of {frozen.repository} is {mount.root_hash} today, frozen {frozen.root_hash}",
        )  # fmt: skip
    else:
        notes.add(
            Cause.HOST_LACKS, about,
            f"{mount.folder} shows the root hash {mount.root_hash}: {frozen.root_hash} could not be looked for",
        )  # fmt: skip
