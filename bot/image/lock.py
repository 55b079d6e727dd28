"""Lock files: the inputs of an image, which reproduce its digest."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bot.errors import SurroundingsError, UsageError, reason_of
from bot.image.database import rpm_version
from bot.image.layer import Compression
from bot.image.selection import Selection
from bot.image.tarformat import FORMAT
from bot.model.architecture import RPM_ARCHITECTURES
from bot.model.closure import RepositoryState, SnapshotState
from bot.model.image import ImageKey
from bot.model.nevra import parse_nevra
from bot.model.package import Location, Package

_VERSION = 1
_LOCK_HINT = "`minimize image` writes one beside each layout: DIR.lock."


@dataclass(frozen=True, slots=True)
class ImageDescription:
    """Everything that determines the digest of an image on one architecture.

    `requests` are those of environment and workload; `revision` is the given source commit, or
    empty.
    """

    key: ImageKey
    snapshot: SnapshotState
    requests: tuple[str, ...]
    packages: tuple[Package, ...]
    selection: Selection = field(default_factory=Selection)
    database: bool = True
    compression: Compression = "gzip"
    revision: str = ""

    def labels(self) -> dict[str, str]:
        """Return the image's labels: its name and its inputs."""
        labels = {
            "org.opencontainers.image.title": self.key.workload,
            "minimize.workload": self.key.workload,
            "minimize.environment": self.key.environment,
            "minimize.repository": self.key.repository,
            "minimize.arch": self.key.arch,
            "minimize.snapshot": self.snapshot.id,
            "minimize.requests": " ".join(self.requests),
        }
        if self.revision:
            labels["org.opencontainers.image.revision"] = self.revision
        return labels


def write_lock(path: Path, images: Sequence[ImageDescription], digest: str) -> None:
    """Write the lock of images that were composed together, with their digest."""
    document = {
        "minimize-lock": _VERSION,
        "digest": digest,
        "format": FORMAT,
        "rpm": rpm_version() if any(image.database for image in images) else None,
        "images": [_image(image) for image in images],
    }
    content = json.dumps(document, indent=1, ensure_ascii=True) + "\n"
    new = path.with_name(f".{path.name}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        new.write_text(content)
        new.replace(path)
    except OSError as error:
        raise SurroundingsError(f"{path} cannot be written: {error.strerror}.") from error


@dataclass(frozen=True, slots=True)
class Lock:
    """A lock file: its images, their digest, and the versions that made them."""

    images: tuple[ImageDescription, ...]
    digest: str
    format: str
    rpm: str | None

    def differences(self) -> tuple[str, ...]:
        """Return sentences on why this machine may give another digest."""
        sentences = []
        if self.format != FORMAT:
            sentences.append(
                f"The lock has layer format {self.format}, and this release of minimize makes"
                f" {FORMAT}."
            )
        if self.rpm is not None and self.rpm != rpm_version():
            sentences.append(
                f"The lock's database was written by rpm {self.rpm}; this machine has rpm"
                f" {rpm_version()}."
            )
        return tuple(sentences)


def read_lock(path: Path) -> Lock:
    """Return the lock in a file; UsageError if it is none."""
    try:
        document = json.loads(path.read_bytes())
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise UsageError(
            f"{path} is no lock file: it is not JSON ({error}).", _LOCK_HINT
        ) from error
    if not isinstance(document, dict) or document.get("minimize-lock") != _VERSION:
        raise UsageError(f"{path} is no lock file of version {_VERSION}.", _LOCK_HINT)
    try:
        images = tuple(_description(image) for image in document["images"])
        lock = Lock(images, str(document["digest"]), str(document["format"]), document["rpm"])
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise UsageError(f"{path} is an incomplete lock file: {reason_of(error)}.") from error
    if not images:
        raise UsageError(f"{path} has no image in it.")
    return lock


def _image(image: ImageDescription) -> dict[str, object]:
    key = image.key
    return {
        "workload": key.workload,
        "environment": key.environment,
        "repository": key.repository,
        "arch": key.arch,
        "snapshot": {
            "id": image.snapshot.id,
            "repositories": [
                {"id": r.id, "revision": r.revision, "timestamp": r.timestamp}
                for r in image.snapshot.repositories
            ],
        },
        "requests": list(image.requests),
        "documentation": image.selection.documentation,
        "languages": list(image.selection.languages),
        "rpmdb": "keep" if image.database else "drop",
        "compression": image.compression,
        "revision": image.revision,
        "packages": [_package(package) for package in sorted(image.packages, key=_order)],
    }


def _order(package: Package) -> tuple[str, str]:
    return str(package.nevra), package.repository


def _package(package: Package) -> dict[str, object]:
    location = package.location
    if location is None:
        raise SurroundingsError(f"{package.nevra} has no file, so it cannot be locked.")
    return {
        "nevra": str(package.nevra),
        "source": package.source,
        "repository": package.repository,
        location.checksum_type: location.checksum,
        "checksum_type": location.checksum_type,
        "size": location.size,
        "installed_size": package.installed_size,
        "header": [location.header_start, location.header_end],
        "urls": [location.url, *location.mirrors],
    }


def _description(data: Mapping[str, Any]) -> ImageDescription:
    snapshot = data["snapshot"]
    compression = data["compression"]
    if compression not in ("gzip", "zstd"):
        raise ValueError(f"the compression `{compression}` is not known")
    if data["arch"] not in RPM_ARCHITECTURES:
        raise ValueError(f"the architecture `{data['arch']}` is not known")
    return ImageDescription(
        key=ImageKey(data["workload"], data["environment"], data["repository"], data["arch"]),
        snapshot=SnapshotState(
            snapshot["id"],
            tuple(
                RepositoryState(r["id"], r["revision"], r["timestamp"])
                for r in snapshot["repositories"]
            ),
        ),
        requests=tuple(data["requests"]),
        packages=tuple(_read_package(package) for package in data["packages"]),
        selection=Selection(bool(data["documentation"]), tuple(data["languages"])),
        database=data["rpmdb"] == "keep",
        compression=compression,
        revision=data["revision"],
    )


def _read_package(data: Mapping[str, Any]) -> Package:
    urls = [str(url) for url in data["urls"]]
    start, end = data["header"]
    kind = str(data["checksum_type"])
    checksum = str(data[kind])
    if not checksum or set(checksum.lower()) - set("0123456789abcdef"):
        raise ValueError(f"`{checksum}` is no checksum")
    return Package(
        nevra=parse_nevra(data["nevra"]),
        source=data["source"],
        repository=data["repository"],
        installed_size=data["installed_size"],
        download_size=int(data["size"]),
        location=Location(
            url=urls[0],
            checksum_type=kind,
            checksum=checksum,
            size=int(data["size"]),
            header_start=int(start),
            header_end=int(end),
            mirrors=tuple(urls[1:]),
        ),
    )
