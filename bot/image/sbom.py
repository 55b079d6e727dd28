"""Bills of materials: what an image holds, as CycloneDX says it."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from bot.distro.cache import Cache
from bot.image.listing import listing
from bot.image.lock import ImageDescription
from bot.image.oci import Attachment
from bot.image.rpmheader import printable
from bot.model.package import Package

if TYPE_CHECKING:
    from cyclonedx.model.component import Component

MEDIA_TYPE = "application/vnd.cyclonedx+json"
_HASHES = {"sha256": "SHA-256", "sha512": "SHA-512", "sha384": "SHA-384", "sha1": "SHA-1"}
_NAMESPACE = uuid.UUID("6f2a1d3e-52c4-4f5b-9d3a-6d696e696d69")


def bill_of_materials(
    image: ImageDescription, digest: str, cache: Cache, *, time: int
) -> Attachment:
    """The CycloneDX document of an image whose manifest has `digest`; the same bytes each time.

    `time` is the image's own, in seconds since 1970.
    """
    from cyclonedx.model import Property
    from cyclonedx.model.bom import Bom, BomMetaData
    from cyclonedx.model.component import Component, ComponentType
    from cyclonedx.output import make_outputter
    from cyclonedx.schema import OutputFormat, SchemaVersion

    key = image.key
    subject = Component(
        name=key.workload,
        type=ComponentType.CONTAINER,
        version=digest,
        bom_ref=digest,
        properties=[
            Property(name="minimize:environment", value=key.environment),
            Property(name="minimize:repository", value=key.repository),
            Property(name="minimize:arch", value=key.arch),
            Property(name="minimize:snapshot", value=image.snapshot.id),
        ],
    )
    components = [_component(package, key.repository, cache) for package in image.packages]
    bom = Bom(
        serial_number=uuid.uuid5(_NAMESPACE, digest),
        metadata=BomMetaData(component=subject, timestamp=datetime.fromtimestamp(time, UTC)),
        components=components,
    )
    bom.register_dependency(subject, components)
    text = make_outputter(bom, OutputFormat.JSON, SchemaVersion.V1_6).output_as_string(indent=1)
    return Attachment(MEDIA_TYPE, text.encode() + b"\n")


def _component(package: Package, namespace: str, cache: Cache) -> Component:
    from cyclonedx.model import HashAlgorithm, HashType
    from cyclonedx.model.component import Component, ComponentType
    from cyclonedx.model.contact import OrganizationalEntity
    from cyclonedx.model.license import DisjunctiveLicense
    from packageurl import PackageURL

    nevra, location = package.nevra, package.location
    found = listing(package, cache)
    qualifiers = {"arch": nevra.arch}
    if nevra.epoch:
        qualifiers["epoch"] = str(nevra.epoch)
    hashes = []
    if location is not None and location.checksum_type in _HASHES:
        algorithm = HashAlgorithm(_HASHES[location.checksum_type])
        hashes.append(HashType(alg=algorithm, content=location.checksum))
    return Component(
        name=nevra.name,
        version=nevra.version_release,
        type=ComponentType.LIBRARY,
        bom_ref=str(nevra),
        purl=PackageURL("rpm", namespace, nevra.name, nevra.version_release, qualifiers),
        description=printable(found.summary) or None,
        licenses=[DisjunctiveLicense(name=printable(found.license))] if found.license else [],
        supplier=OrganizationalEntity(name=printable(found.vendor)) if found.vendor else None,
        hashes=hashes,
    )
