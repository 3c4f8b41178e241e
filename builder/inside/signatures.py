"""Check signatures of RPM metadata and packages with the keys of one repository.

Request: {"keys": [file], "metadata": file or "", "metadata_signature": file or "", "packages": [file],
"now": seconds since 1970}. Answer: {"keys": [{"file", "fingerprint"}], "metadata": signature,
"packages": {file: signature}} where a signature is {"verdict": "good" | "unsigned" | "weak", "key_id", "algorithm":
of a weak one, as RSA/SHA1}. Weak is one that is right by the rules of its time, and refused by those of today.
Refuses: a file that is no public key, an expired or revoked key, a bad signature, a signature by another key, a package
whose bytes do not match its own digests.
"""

from __future__ import annotations

import datetime as dt
import os
import re
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from builder.inside.program import RefusedError, call, serve

KEY_ID = re.compile(r"key ID ([0-9a-f]{8,40})", re.IGNORECASE)
FINGERPRINT = re.compile(r"key fingerprint:? ([0-9a-f]{40})", re.IGNORECASE)
ALGORITHM = re.compile(r" V\d (\S+/\S+) Signature", re.IGNORECASE)
UNSIGNED = {"verdict": "unsigned", "key_id": ""}
HASH_FIELD = 7
"""Where VALIDSIG names the hash algorithm."""
REASON_FIELD = 5
"""Where ERRSIG says why a signature could not be judged; the numbers are libgpg-error's."""
REFUSED_REASONS = ("4", "5")
"""A public-key algorithm, or a hash algorithm, that is not supported or no longer accepted."""
TIME_CONFLICT = "39"
POLICY = "RPM_SEQUOIA_CRYPTO_POLICY"
RULES_OF_OLD = {
    "hash_algorithms": ("md5", "sha1", "ripemd160", "sha224", "sha256", "sha384", "sha512"),
    "asymmetric_algorithms": (
        "dsa1024", "dsa2048", "dsa3072", "dsa4096", "rsa1024", "rsa2048", "rsa3072", "rsa4096", "nistp256", "nistp384",
        "nistp521", "cv25519",
    ),
    "packets": ("signature.v3", "signature.v4"),
}  # fmt: skip
"""What rpm takes where it is to judge by the rules of before 2013, as its OpenPGP library reads it from a file that the
environment names (sequoia-policy-config)."""


def key_facts(listing: str) -> dict[str, Any] | None:
    """Read what `gpg --with-colons --show-keys` prints of a file; None where that holds no public key.

    Gives {"fingerprint", "expires": seconds since 1970 or 0, "revoked"} of the first key. The format: doc/DETAILS of
    GnuPG, "Format of the colon listings".
    """
    lines = [line.split(":") for line in listing.splitlines()]
    primary = next((fields for fields in lines if fields[0] == "pub"), None)
    if primary is None:
        return None
    fingerprint = next((fields[9] for fields in lines if fields[0] == "fpr"), "")
    return {"fingerprint": fingerprint, "expires": int(primary[6] or 0), "revoked": primary[1] == "r"}


def metadata_facts(status: str, code: int) -> dict[str, Any]:
    """Read the status lines and the exit code of `gpg --verify` (doc/DETAILS, "Format of the --status-fd output").

    Gives {"verdict", "key_id", "hash": OpenPGP's number of the algorithm or 0, "expires": of the signature or 0,
    "said": gpg's lines}. Verdicts: "good", "bad", "unknown-key", "expired" (the signature, not its key), "algorithm"
    (refused by this gpg), "clock" (made after the present time), "other".
    """
    lines = [line.split()[1:] for line in status.splitlines() if line.startswith("[GNUPG:] ")]
    words = {fields[0]: fields[1:] for fields in lines if fields}
    valid, wrong = words.get("VALIDSIG", []), words.get("ERRSIG", [])
    facts: dict[str, Any] = {
        "verdict": "other",
        "key_id": valid[0].lower()[-16:] if valid else "",
        "hash": int(valid[7]) if len(valid) > HASH_FIELD else 0,
        "expires": int(valid[3]) if len(valid) > HASH_FIELD else 0,
        "said": "; ".join(" ".join(fields) for fields in lines),
    }
    reason = wrong[5] if len(wrong) > REASON_FIELD else ""
    if code == 0 and valid and "EXPSIG" not in words:
        return {**facts, "verdict": "good"}
    if "BADSIG" in words:
        return {**facts, "verdict": "bad"}
    if "NO_PUBKEY" in words:
        return {**facts, "verdict": "unknown-key", "key_id": words["NO_PUBKEY"][0].lower()}
    if "EXPSIG" in words:
        return {**facts, "verdict": "expired"}
    if reason in REFUSED_REASONS:
        return {**facts, "verdict": "algorithm", "key_id": wrong[0].lower(), "hash": int(wrong[2])}
    return {**facts, "verdict": "clock" if reason == TIME_CONFLICT else "other"}


def _keys(files: list[str], now: int) -> list[dict[str, str]]:
    """Read public keys; refuse what is none, or one that is not valid at the time `now`."""
    problems: list[tuple[str, str]] = []
    keys = []
    for file in files:
        name = Path(file).name
        listing = call("gpg", "--batch", "--with-colons", "--show-keys", file, check=False)
        facts = key_facts(listing.stdout)
        if listing.returncode != 0 or facts is None:
            problems.append((f"{name} is not an OpenPGP public key", "export it with: gpg --armor --export KEY"))
            continue
        fingerprint, expires = facts["fingerprint"], facts["expires"]
        if facts["revoked"]:
            problems.append((f"the key {fingerprint} ({name}) is revoked", "ask the repository for its present key"))
        elif expires and expires <= now:
            day = dt.datetime.fromtimestamp(expires, dt.UTC).date()
            problems.append(
                (f"the key {fingerprint} ({name}) expired on {day}", "take the renewed key from the repository's owner")
            )
        keys.append({"file": file, "fingerprint": fingerprint})
    if problems:
        raise RefusedError(*problems)
    return keys


def _metadata(home: str, signed: str, signature: str) -> dict[str, str]:
    done = call("gpg", "--batch", "--homedir", home, "--status-fd", "1", "--verify", signature, signed, check=False)
    facts = metadata_facts(done.stdout, done.returncode)
    if facts["verdict"] == "good":
        return {"verdict": "good", "key_id": facts["key_id"]}
    if facts["verdict"] == "bad":
        why = "the signature does not match: repomd.xml was changed after it was signed"
    elif facts["verdict"] == "unknown-key":
        why = f"it is signed by the key {facts['key_id']}, which the recipe does not name"
    else:
        why = f"gpg says: {facts['said']}"
    raise RefusedError(
        (f"the signature of repomd.xml is not good: {why}", "do not use this repository until it is clear why")
    )


def check_package(database: str, file: str, rules: dict[str, str] | None = None) -> tuple[str, int]:
    """Let rpm check a package with the keys of a database; gives what it says, and its exit code.

    `rules` is the environment that names others than those of today, see `rules_of_old`.
    """
    done = subprocess.run(
        ["rpmkeys", "--dbpath", database, "--checksig", "--verbose", file],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, env={**os.environ, **(rules or {})},
    )  # fmt: skip
    return done.stdout, done.returncode


def rules_of_old(folder: str) -> dict[str, str]:
    """Write the rules of before 2013 into a folder; give the environment by which rpm judges by them."""
    path = Path(folder) / "rules-of-old"
    sections = ((name, "".join(f'{word} = "always"\n' for word in words)) for name, words in RULES_OF_OLD.items())
    path.write_text("".join(f"[{name}]\n{lines}" for name, lines in sections), "ascii")
    return {POLICY: str(path)}


def _weak(text: str, code: int) -> dict[str, str] | None:
    """Give the verdict on a package that is refused today, from what rpm says by the rules of old; None for none."""
    verdict = package_verdict(text, code)
    if isinstance(verdict, str) or verdict["verdict"] != "good":
        return None
    named = ALGORITHM.search(text)
    return {**verdict, "verdict": "weak", "algorithm": named[1] if named else ""}


def _packages(
    database: str, files: list[str], fingerprints: list[str], rules: dict[str, str]
) -> dict[str, dict[str, str]]:
    """Judge packages by the rules of today; what these refuse, by those of old too."""
    verdicts = {}
    problems: list[tuple[str, str]] = []
    for file in files:
        verdict = package_verdict(*check_package(database, file))
        if isinstance(verdict, str):
            verdict = _weak(*check_package(database, file, rules)) or verdict
        if isinstance(verdict, str):
            problems.append(
                (f"{Path(file).name}: {verdict}", "the package is not what its maker signed; do not use it")
            )
        else:
            # rpm prints the last 8 digits of a key's id; they name one of the keys that are known here
            full = next((f for f in fingerprints if f.lower().endswith(verdict["key_id"])), verdict["key_id"])
            verdicts[file] = {**verdict, "key_id": full.lower()[-16:]}
    if problems:
        raise RefusedError(*problems)
    return verdicts


def package_verdict(text: str, code: int) -> dict[str, str] | str:
    """Give the verdict that the lines of `rpmkeys --checksig --verbose` mean, or words for what is wrong.

    The lines: rpm's lib/rpmchecksig.c.
    """
    lines = [line.strip() for line in text.splitlines()[1:]]
    signatures = [line for line in lines if "signature" in line.lower()]
    for line in lines:
        if line.endswith("BAD") or ": BAD" in line:
            return f"{line.lower()}: its bytes were changed after it was made"
    for line in signatures:
        if "NOKEY" in line:
            return f"it is signed by the key {_key_id(line) or 'unknown'}, which the recipe does not name"
        if "NOTTRUSTED" in line or "NOTFOUND" in line:
            return line
    good = [line for line in signatures if line.endswith("OK")]
    if good and code == 0:
        return {"verdict": "good", "key_id": _key_id(good[0])}
    if signatures or code != 0:
        return "rpm says: " + "; ".join(lines or text.splitlines())
    return UNSIGNED


def _key_id(line: str) -> str:
    found = KEY_ID.search(line) or FINGERPRINT.search(line)
    return found.group(1).lower()[-16:] if found else ""


def check(request: dict[str, Any]) -> dict[str, Any]:
    """Answer a request as the module says."""
    keys = _keys(request["keys"], request["now"])
    with tempfile.TemporaryDirectory() as home, tempfile.TemporaryDirectory() as database:
        rules = rules_of_old(home)
        for key in keys:
            call("gpg", "--batch", "--quiet", "--homedir", home, "--import", key["file"])
            # a key whose own signatures are old must be known, for what it signed to be judged at all
            call("rpmkeys", "--dbpath", database, "--import", key["file"], environment=rules)
        metadata = UNSIGNED
        if request["metadata_signature"] and keys:
            metadata = _metadata(home, request["metadata"], request["metadata_signature"])
        fingerprints = [key["fingerprint"] for key in keys]
        packages = _packages(database, request["packages"], fingerprints, rules)
        return {"keys": keys, "metadata": metadata, "packages": packages}


if __name__ == "__main__":
    serve(check)
