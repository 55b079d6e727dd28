"""The composition of images: from descriptions to an OCI layout, with lock and bill of materials.

The bill of materials is CycloneDX.
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from bot.distro.cache import Cache, in_use, tidy
from bot.errors import SurroundingsError
from bot.image.layer import compose_layer, fetch_unread
from bot.image.listing import listing
from bot.image.lock import ImageDescription, Lock, write_lock
from bot.image.oci import (
    NAME,
    Attachment,
    Descriptor,
    Layout,
    add_attachment,
    add_image,
    add_index,
)
from bot.image.rpmheader import printable
from bot.image.signature import KeyUrls, check_signatures
from bot.model.package import Package
from bot.model.result import LayerSize
from bot.telemetry.measures import timed

if TYPE_CHECKING:
    from cyclonedx.model.component import Component


@dataclass(frozen=True, slots=True)
class ComposedImage:
    """The image of one architecture: its description, its manifest's digest, its layer's sizes."""

    description: ImageDescription
    digest: str
    media_type: str
    layer: LayerSize


@dataclass(frozen=True, slots=True)
class ComposedLayout:
    """The content of a layout, one image or an index of several, and the lock beside it."""

    digest: str
    media_type: str
    images: tuple[ComposedImage, ...]
    lock: Path
    layout: Path


@timed("compose")
def compose_images(
    images: Sequence[ImageDescription],
    cache: Cache,
    layout: Path,
    lock: Path,
    *,
    keys: KeyUrls | None = None,
    expected: Lock | None = None,
    jobs: int | None = None,
    progress: Callable[[Package], None] | None = None,
) -> ComposedLayout:
    """Compose `images` (one for each architecture) into the OCI layout in the directory `layout`.

    Packages of repositories that have `keys` must be signed by one of them. Where the result
    differs from an `expected` lock, the old layout stays, and SurroundingsError says why. Raises
    ChangeError where a package is at fault, UsageError where the directory has something else in
    it, SurroundingsError where something cannot be fetched or written.
    """
    with contextlib.ExitStack() as stack:
        stack.enter_context(in_use(cache))
        for image in images:
            fetch_unread(image.packages, cache)
            check_signatures(image.packages, cache, keys or {})
        target = stack.enter_context(Layout(layout))
        manifests: list[Descriptor] = []
        attachments: list[Descriptor] = []
        composed_images: list[ComposedImage] = []
        for image in images:
            layer = compose_layer(
                image.packages,
                cache,
                image.selection,
                database=image.database,
                jobs=jobs,
                progress=progress,
            )
            manifest = add_image(target, layer, image.key.arch, image.labels(), image.compression)
            bill = bill_of_materials(image, manifest.digest, cache, time=layer.time)
            attachments.append(add_attachment(target, bill, manifest))
            manifests.append(manifest)
            composed_images.append(
                ComposedImage(image, manifest.digest, manifest.media_type, layer.size)
            )
        top = manifests[0] if len(manifests) == 1 else add_index(target, manifests)
        if expected is not None and top.digest != expected.digest:
            raise SurroundingsError(
                f"The image differs from its lock: its digest is {top.digest}, not"
                f" {expected.digest}.",
                " ".join(expected.differences()),
            )
        write_lock(lock, images, top.digest)
        fields = {**top.fields, "annotations": {NAME: images[0].key.workload}}
        target.finish(Descriptor(top.media_type, top.digest, top.size, fields), attachments)
    tidy(cache)
    return ComposedLayout(top.digest, top.media_type, tuple(composed_images), lock, layout)


MEDIA_TYPE = "application/vnd.cyclonedx+json"
_HASHES = {"sha256": "SHA-256", "sha512": "SHA-512", "sha384": "SHA-384", "sha1": "SHA-1"}
_NAMESPACE = uuid.UUID("6f2a1d3e-52c4-4f5b-9d3a-6d696e696d69")


def bill_of_materials(
    image: ImageDescription, digest: str, cache: Cache, *, time: int
) -> Attachment:
    """Return the CycloneDX document of an image whose manifest has `digest`, always the same bytes.

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
    files = listing(package, cache)
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
        description=printable(files.summary) or None,
        licenses=[DisjunctiveLicense(name=printable(files.license))] if files.license else [],
        supplier=OrganizationalEntity(name=printable(files.vendor)) if files.vendor else None,
        hashes=hashes,
    )
