"""The signatures of a release that lie beside its images in an export: good ones, and the list to check them by."""

from __future__ import annotations

from builder.audit.signing import allowed, artifacts
from builder.audit.signing.check import Signature, examine
from builder.audit.signing.files import signature_files
from builder.export.signatures import ALLOWED_SIGNERS, NONE, Signatures, Signer
from builder.store.store import Store


def signatures(store: Store, release: str) -> Signatures:
    """Give the good signatures of a release by those whom the store's own list names, and all that they signed.

    What is not good, or signed by others, is left out, and it is said why: whoever has the export could only find the
    same. Raises HostFailure where there are signatures and no `ssh-keygen`; WorkFailure where something is damaged.
    """
    if not store.references(f"{artifacts.SIGNATURE}/{release}/"):
        return NONE
    path = allowed.default_path(store.path)
    examined = examine(store, release, path)
    left_out = [problem.message for problem in examined.problems]
    if examined.good:
        left_out += [f"{one.reference}: nobody is trusted for {one.key.fingerprint}" for one in examined.strangers]
    if not examined.good:
        return Signatures(left_out=tuple(left_out))
    folders = {one.key.short for one in examined.good}
    files = {
        name: data
        for name, data in signature_files(store, release).items()
        if "/" not in name or name.partition("/")[0] in folders
    }
    files[ALLOWED_SIGNERS] = allowed.lines_of(allowed.read(path), {one.key.raw for one in examined.good}).encode()
    return Signatures(tuple(_signer(one) for one in examined.good), files, tuple(left_out))


def _signer(signature: Signature) -> Signer:
    return Signer(signature.identity, signature.key.fingerprint, signature.key.short)
