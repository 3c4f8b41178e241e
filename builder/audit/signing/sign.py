"""Sign a release: say what it is made from, how, and what was found of it, and sign all of that and every blob."""

from __future__ import annotations

from dataclasses import dataclass

from builder.audit import crate, sbom
from builder.audit.signing import artifacts, envelope, sshsig, sums
from builder.audit.signing.allowed import NAMESPACE, check_identity
from builder.audit.signing.artifacts import Kept
from builder.audit.signing.keys import PublicKey, SigningKey, check_outside
from builder.audit.statements.licenses import licenses
from builder.audit.statements.material import Judged, Material, gather, references
from builder.audit.statements.provenance import provenance
from builder.audit.statements.receipt import Receipt, receipt, spelled
from builder.audit.statements.test_result import result
from builder.core.digest import Digest, digest_stream
from builder.core.errors import Problem, WorkFailure
from builder.core.progress import Progress
from builder.store import oci
from builder.store.store import Store


@dataclass(frozen=True)
class Signed:
    """A release that was signed: by whom, what it is, and where the store has it."""

    identity: str
    key: PublicKey
    receipt: Receipt
    references: tuple[str, ...]
    """Of all that was stored; the first is the signature."""
    blobs: int
    """How many SHA256SUMS names."""
    digest: str
    """Of SHA256SUMS: who knows it knows every blob."""


def sign(store: Store, release: str, key: SigningKey, identity: str, progress: Progress) -> Signed:
    """Sign what a store has of a release; signing again stores the same bytes.

    Nothing is signed that was not read: every blob is compared with its digest first. Raises InputFailure where the
    store has no lock or image of the release, or the key or the identity is none; WorkFailure where something is
    missing or damaged; HostFailure where there is no `ssh-keygen`.
    """
    check_identity(identity)
    check_outside(key.path, store.path)
    material = gather(store, release)
    subjects = references(material)
    _check(store, sums.blobs(store, subjects), progress)
    sshsig.sign(b"", key)  # before anything is stored: is ssh-keygen there, and does it take the key?
    stored = _describe(store, material) | _attest(store, material, key)
    named = sums.blobs(store, subjects | stored)
    listed = sums.spelled(named)
    signature = artifacts.signature_reference(release, key.public)
    config = artifacts.SignatureConfig(
        release=release,
        identity=identity,
        key_id=key.public.key_id,
        fingerprint=key.public.fingerprint,
        namespace=NAMESPACE,
    )
    files = {artifacts.SUMS: listed, artifacts.SUMS_SIGNATURE: sshsig.sign(listed, key)}
    artifacts.put(store, signature, Kept(artifacts.SIGNATURE_TYPE, material.oci.image.descriptor, files, config))
    return Signed(
        identity=identity,
        key=key.public,
        receipt=receipt(material),
        references=(signature, *stored),
        blobs=len(named),
        digest=str(Digest.of(listed)),
    )


def _check(store: Store, blobs: dict[str, str], progress: Progress) -> None:
    """Compare every blob with its digest. Raises WorkFailure with all that are missing or damaged."""
    missing = {digest for digest in blobs if not store.has(digest)}
    total = sum(store.blob_path(digest).stat().st_size for digest in blobs if digest not in missing)
    problems = []
    with progress.task("check before signing", total) as task:
        for digest, name in blobs.items():
            if digest in missing:
                problems.append(_problem(f"{name}: the blob {digest} is missing"))
                continue
            with store.open(digest) as stream:
                found, size = digest_stream(stream)
            task.advance(size)
            if found != digest:
                problems.append(_problem(f"{name}: the blob {digest} is damaged"))
    if problems:
        raise WorkFailure(*problems)


def _problem(message: str) -> Problem:
    return Problem(message, hint="nothing was signed; boss-builder verify tells what else is wrong")


def _describe(store: Store, material: Material) -> dict[str, oci.Descriptor]:
    """Store what is said without a signature of its own: an SBOM of each image, and the crate."""
    known = licenses(store, material.lock)
    stored = {}
    for judged in material.images:
        name = artifacts.sbom_reference(material.release, judged.shape)
        files = {artifacts.SBOM_FILE: sbom.sbom(material, judged, known)}
        stored[name] = artifacts.put(store, name, Kept(sbom.MEDIA_TYPE, judged.image.descriptor, files))
    name = artifacts.crate_reference(material.release)
    files = {crate.NAME: crate.crate(material)}
    subject = material.oci.image.descriptor
    return stored | {name: artifacts.put(store, name, Kept(artifacts.CRATE_TYPE, subject, files))}


def _attest(store: Store, material: Material, key: SigningKey) -> dict[str, oci.Descriptor]:
    """Store the signed statements: on each image, and the receipt."""
    stored = {}
    for judged in material.images:
        name = artifacts.attestation_reference(material.release, judged.shape, key.public)
        files = {title: envelope.seal(text, key) for title, text in statements(store, material, judged).items()}
        stored[name] = artifacts.put(store, name, Kept(artifacts.ATTESTATION_TYPE, judged.image.descriptor, files))
    name = artifacts.receipt_reference(material.release, key.public)
    files = {artifacts.RECEIPT_FILE: envelope.seal(spelled(material), key)}
    subject = material.oci.image.descriptor
    return stored | {name: artifacts.put(store, name, Kept(artifacts.RECEIPT_TYPE, subject, files))}


def statements(store: Store, material: Material, judged: Judged) -> dict[str, bytes]:
    """Spell what is said of an image, by the name of the file that holds it."""
    found = {artifacts.PROVENANCE_FILE: provenance(store, material, judged)}
    tested = result(material, judged)
    return found | ({artifacts.RESULT_FILE: tested} if tested is not None else {})
