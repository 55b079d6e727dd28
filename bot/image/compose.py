"""Composing images: from descriptions to an OCI layout, with lock and bill of materials."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bot.distro.cache import Cache, in_use, tidy
from bot.errors import SurroundingsError
from bot.image.layer import compose_layer, fetch_unread
from bot.image.lock import ImageDescription, Lock, write_lock
from bot.image.oci import (
    NAME,
    Descriptor,
    Layout,
    add_attachment,
    add_image,
    add_index,
)
from bot.image.sbom import bill_of_materials
from bot.image.signature import KeyUrls, check_signatures
from bot.model.package import Package
from bot.model.result import LayerSize


@dataclass(frozen=True, slots=True)
class ComposedImage:
    """One architecture's image: what it was made of, its manifest's digest, its layer's sizes."""

    description: ImageDescription
    digest: str
    media_type: str
    layer: LayerSize


@dataclass(frozen=True, slots=True)
class Composed:
    """The content of a layout: one image, or an index of several; and the lock beside it."""

    digest: str
    media_type: str
    images: tuple[ComposedImage, ...]
    lock: Path
    layout: Path


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
) -> Composed:
    """Composes `images` (one for each architecture) into the OCI layout in the directory `layout`.

    Packages of repositories that have `keys` must be signed by one of them. Where the result is
    another one than an `expected` lock says, what was there stays, and SurroundingsError says why.
    Raises ChangeError where a package is at fault, UsageError where the directory holds something
    else, SurroundingsError where something cannot be had or written.
    """
    with contextlib.ExitStack() as stack:
        stack.enter_context(in_use(cache))
        for image in images:
            fetch_unread(image.packages, cache)
            check_signatures(image.packages, cache, keys or {})
        target = stack.enter_context(Layout(layout))
        manifests: list[Descriptor] = []
        attached: list[Descriptor] = []
        composed: list[ComposedImage] = []
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
            attached.append(add_attachment(target, bill, manifest))
            manifests.append(manifest)
            composed.append(ComposedImage(image, manifest.digest, manifest.media_type, layer.size))
        top = manifests[0] if len(manifests) == 1 else add_index(target, manifests)
        if expected is not None and top.digest != expected.digest:
            raise SurroundingsError(
                f"The image is another one than its lock says: {top.digest}, not"
                f" {expected.digest}.",
                " ".join(expected.differences()),
            )
        write_lock(lock, images, top.digest)
        named = {**top.more, "annotations": {NAME: images[0].key.workload}}
        target.finish(Descriptor(top.media_type, top.digest, top.size, named), attached)
    tidy(cache)
    return Composed(top.digest, top.media_type, tuple(composed), lock, layout)
