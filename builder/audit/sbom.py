"""What is in an image, as CycloneDX 1.6: every package, library and the software itself, by digest and licence.

Its serial number is derived from the image's digest, and its time is that of the release, so that the same image has
the same SBOM on every day. Source: CycloneDX 1.6; package-url, PURL-TYPES (rpm, generic).
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import ExternalReference, ExternalReferenceType, HashAlgorithm, HashType, Property, XsUri
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import License
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

from builder import __version__
from builder.audit.statements.material import Judged, Material
from builder.core.digest import Digest
from builder.lock.model import Lock, Repository, RpmPackage, Source
from builder.recipe.epoch import release_epoch
from builder.store.shapes import Shape, reference

MEDIA_TYPE = "application/vnd.cyclonedx+json"
NAMESPACE = uuid.uuid5(uuid.NAMESPACE_OID, "boss-builder")


def sbom(material: Material, judged: Judged, licenses: Mapping[str, str]) -> bytes:
    """Describe an image. `licenses` are those of packages, by the digest of their files."""
    lock, image = material.lock, judged.image
    root = Component(
        name=material.release,
        version=lock.recipe.release.version,
        description=lock.recipe.release.title,
        type=ComponentType.CONTAINER,
        bom_ref=image.descriptor.digest,
        hashes=_hashes(image.descriptor.digest if image.shape == "oci" else image.main.digest),
        licenses=_licenses(lock.recipe.release.license),
        properties=[
            Property(name="boss-builder:shape", value=image.shape),
            Property(name="boss-builder:reference", value=reference(material.release, image.shape)),
            Property(name="boss-builder:lock", value=material.lock_digest),
            *(Property(name=f"boss-builder:stands-in-for.{n}", value=t) for n, t in enumerate(material.emulated, 1)),
        ],
    )
    parts = list(components(lock, judged.shape, licenses))
    bom = Bom(
        serial_number=uuid.uuid5(NAMESPACE, image.descriptor.digest),
        components=parts,
        metadata=BomMetaData(
            component=root,
            timestamp=datetime.fromtimestamp(release_epoch(lock.recipe), UTC),
            tools=None,
            properties=[Property(name="boss-builder:version", value=__version__)],
        ),
    )
    bom.register_dependency(root, parts)
    return (JsonV1Dot6(bom).output_as_string(indent=2) + "\n").encode()


def components(lock: Lock, shape: Shape, licenses: Mapping[str, str]) -> Iterator[Component]:
    """Describe everything that an image of a shape is made of."""
    wanted = {*lock.os_packages, *lock.boss_packages, *(lock.vm_packages if shape == "vm" else ())}
    for repository in lock.repositories:
        for package in repository.packages:
            if package.nevra in wanted:
                yield _package(lock, repository, package, licenses.get(package.blob.digest, ""))
    for library in lock.recipe.external_library:
        place = f"external_library.{library.name}"
        yield _source(
            lock.sources[place], place, name=library.name, version=library.version, kind=ComponentType.LIBRARY
        )
    if "package.boss" in lock.sources:
        release = lock.recipe.release
        place = "package.boss"
        yield _source(
            lock.sources[place],
            place,
            name=release.name,
            version=release.version,
            kind=ComponentType.APPLICATION,
            license_=release.license,
        )


def _package(lock: Lock, repository: Repository, package: RpmPackage, license_: str) -> Component:
    of_os = repository.name in {one.name for one in lock.recipe.os.rpm_repository}
    qualifiers = {"arch": package.architecture, "epoch": str(package.epoch)}
    purl = PackageURL(
        type="rpm",
        namespace=lock.recipe.os.family.lower() if of_os else None,
        name=package.name,
        version=f"{package.version}-{package.release}",
        qualifiers={name: value for name, value in qualifiers.items() if value != "0"},
    )
    hashes = _hashes(package.blob.digest)
    return Component(
        name=package.name,
        version=f"{package.epoch}:{package.version}-{package.release}",
        type=ComponentType.APPLICATION if package.nevra in lock.boss_packages else ComponentType.LIBRARY,
        bom_ref=f"rpm:{package.nevra}",
        purl=purl,
        hashes=hashes,
        licenses=_licenses(license_),
        external_references=_address(f"{repository.url.rstrip('/')}/{package.location}", hashes),
        properties=[
            Property(name="boss-builder:architecture", value=package.architecture),
            Property(name="boss-builder:repository", value=repository.name),
            Property(name="boss-builder:signature", value=package.signature.verdict.value),
        ],
    )


def _source(
    source: Source, place: str, *, name: str, version: str, kind: ComponentType, license_: str = ""
) -> Component:
    hashes = _hashes(source.blob.digest)
    remote = "://" in source.source
    qualifiers = {"checksum": source.blob.digest} | ({"download_url": source.source} if remote else {})
    return Component(
        name=name,
        version=version,
        type=kind,
        bom_ref=f"source:{place}",
        purl=PackageURL(type="generic", name=name, version=version, qualifiers=qualifiers),
        hashes=hashes,
        licenses=_licenses(license_),
        external_references=_address(source.source, hashes) if remote else (),
        properties=[Property(name="boss-builder:source", value=source.source)],
    )


def _hashes(digest: str) -> tuple[HashType, ...]:
    return (HashType(alg=HashAlgorithm.SHA_256, content=Digest(digest).hex),)


def _licenses(text: str) -> tuple[License, ...]:
    """Give a licence by its SPDX id or as an SPDX expression where it is one, else by its name."""
    return (LicenseFactory().make_from_string(text),) if text else ()


def _address(address: str, hashes: Iterable[HashType]) -> tuple[ExternalReference, ...]:
    return (ExternalReference(type=ExternalReferenceType.DISTRIBUTION, url=XsUri(address), hashes=hashes),)
