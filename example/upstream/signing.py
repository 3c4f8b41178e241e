"""Signing keys made on the spot, and signatures on packages and repository metadata."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from example.upstream.programs import UpstreamError, run

KEY_LIMIT = 120.0
SIGN_LIMIT = 600.0
ALGORITHM = "rsa3072"


@dataclass(frozen=True)
class SigningKey:
    """A key pair: `home` is the GnuPG home with the secret half, `public` the armoured public half."""

    home: Path
    public: Path
    fingerprint: str

    @classmethod
    def make(cls, folder: Path, user_id: str, *, expires: str = "never") -> SigningKey:
        """Make an RSA key pair in `folder`, or give the one that is there.

        `expires` is in GnuPG's notation: `never`, `2y`, `seconds=1`. Raises UpstreamError where gpg fails.
        """
        folder = folder.absolute()
        home, public, name = folder / "gnupg", folder / "public.asc", folder / "fingerprint"
        if not name.exists():
            home.mkdir(parents=True, exist_ok=True, mode=0o700)
            home.chmod(0o700)
            with _gpg_home(home) as environment:
                quick = ["--passphrase", "", "--quick-generate-key", user_id, ALGORITHM, "sign", expires]
                run(["gpg", "--batch", *quick], time_limit=KEY_LIMIT, environment=environment)
                listing = run(
                    ["gpg", "--batch", "--with-colons", "--list-secret-keys"],
                    time_limit=KEY_LIMIT,
                    environment=environment,
                )
                fingerprints = [line.split(":")[9] for line in listing.splitlines() if line.startswith("fpr:")]
                if len(fingerprints) != 1:
                    raise UpstreamError(f"{home} holds {len(fingerprints)} keys, not one", hint="remove the folder")
                exported = run(
                    ["gpg", "--batch", "--armor", "--export", fingerprints[0]],
                    time_limit=KEY_LIMIT,
                    environment=environment,
                )
            public.write_text(exported)
            name.write_text(fingerprints[0])
        return cls(home, public, name.read_text())

    def has_expired(self) -> bool:
        """Tell whether the key is no longer valid by the clock of this host."""
        with _gpg_home(self.home) as environment:
            words = ["gpg", "--batch", "--with-colons", "--list-keys", self.fingerprint]
            listing = run(words, time_limit=KEY_LIMIT, environment=environment)
        return any(line.startswith("pub:e:") for line in listing.splitlines())

    def sign_packages(self, rpms: Sequence[Path], *, processes: int = 1) -> None:
        """Sign RPMs in place. One rpmsign takes many; `processes` of them share the work."""
        shares = [share for share in (rpms[start::processes] for start in range(processes)) if share]
        with _gpg_home(self.home) as environment, ThreadPoolExecutor(processes) as pool:
            words = ["rpmsign", "--addsign", "--define", f"_gpg_name {self.fingerprint}"]
            # rpmsign looks for gpg only where this macro points, not along PATH
            words += ["--define", "_gpg_digest_algo sha256", "--define", f"__gpg {shutil.which('gpg')}"]
            jobs = [
                pool.submit(run, [*words, *share], time_limit=SIGN_LIMIT, environment=environment) for share in shares
            ]
            for job in jobs:
                job.result()

    def sign_detached(self, file: Path) -> Path:
        """Write `FILE.asc`, an armoured detached signature, and give its path."""
        signature = file.with_name(file.name + ".asc")
        with _gpg_home(self.home) as environment:
            words: list[str | Path] = [
                "gpg",
                "--batch",
                "--yes",
                "--local-user",
                self.fingerprint,
                "--digest-algo",
                "sha256",
            ]
            words += ["--armor", "--output", signature, "--detach-sign", file]
            run(words, time_limit=SIGN_LIMIT, environment=environment)
        return signature


@contextmanager
def _gpg_home(home: Path) -> Iterator[dict[str, str]]:
    """Give the environment in which gpg and rpmsign use `home`, and stop their agent afterwards.

    The agent's socket lies in its home, and the path of a socket is limited to 107 bytes: hence the short link.
    """
    with tempfile.TemporaryDirectory(prefix="gpg-") as folder:
        link = Path(folder) / "h"
        link.symlink_to(home.absolute())
        environment = {"GNUPGHOME": os.fspath(link), "HOME": folder}
        try:
            yield environment
        finally:
            run(["gpgconf", "--kill", "all"], time_limit=KEY_LIMIT, environment=environment)
