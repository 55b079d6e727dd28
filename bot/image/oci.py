"""OCI image layouts (image-spec 1.1): blobs by digest, index.json written last; and their push."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from bot.errors import SurroundingsError, UsageError, write_hint
from bot.image.layer import Blob, Compression, Layer, write_blob
from bot.locks import locked
from bot.model.architecture import native_arches

if TYPE_CHECKING:
    from oras.container import Container
    from oras.provider import Registry

MANIFEST = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
EMPTY = "application/vnd.oci.empty.v1+json"
LAYER: Mapping[Compression, str] = {
    "gzip": "application/vnd.oci.image.layer.v1.tar+gzip",
    "zstd": "application/vnd.oci.image.layer.v1.tar+zstd",
}
NAME = "org.opencontainers.image.ref.name"
# In a layout's index.json: the manifests of documents about its images. They are not listed as
# images: tools refuse to choose among several (`skopeo inspect oci:DIR`).
REFERRERS = "minimize.referrers"
_LAYOUT = {"imageLayoutVersion": "1.0.0"}
_UNFINISHED = ".new-"  # the prefix of files that are being written, renamed when they are whole
# Go's names for rpm's architectures, which image configurations use.
PLATFORMS: Mapping[str, Mapping[str, str]] = {
    "x86_64": {"architecture": "amd64", "os": "linux"},
    "aarch64": {"architecture": "arm64", "os": "linux", "variant": "v8"},
    "ppc64le": {"architecture": "ppc64le", "os": "linux"},
    "s390x": {"architecture": "s390x", "os": "linux"},
    "riscv64": {"architecture": "riscv64", "os": "linux"},
    "loongarch64": {"architecture": "loong64", "os": "linux"},
    "ppc64": {"architecture": "ppc64", "os": "linux"},
    **{
        f"x86_64_{level}": {"architecture": "amd64", "os": "linux", "variant": level}
        for level in ("v2", "v3", "v4")
    },
    **{arch: {"architecture": "386", "os": "linux"} for arch in native_arches("i686")[:-1]},
    **{
        arch: {"architecture": "arm", "os": "linux", "variant": arch[3:5]}
        for arch in ("armv5tel", "armv6hl", "armv7hl", "armv7hnl")
    },
    "mips64el": {"architecture": "mips64le", "os": "linux"},
}
_PATH = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


@dataclass(frozen=True, slots=True)
class Descriptor:
    """A reference to a blob; `fields` are its further ones (platform, annotations)."""

    media_type: str
    digest: str
    size: int
    fields: Mapping[str, object] = field(default_factory=dict)

    def to_json(self) -> dict[str, object]:
        """Return it as in manifests and indexes."""
        return {
            "mediaType": self.media_type,
            "digest": self.digest,
            "size": self.size,
            **self.fields,
        }


@dataclass(frozen=True, slots=True)
class Attachment:
    """A document about an image, such as a bill of materials."""

    media_type: str
    content: bytes


class Layout:
    """A layout that is being written in a directory.

    Blobs are written atomically; `finish` replaces index.json atomically and removes the blobs of
    no image. A process that is killed before that leaves the old layout. While it is open, other
    processes that write the same layout wait.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._blobs = directory / "blobs" / "sha256"
        self._written: set[str] = set()
        self._lock = contextlib.ExitStack()
        layout = directory / "oci-layout"
        with _writing(directory):
            if not layout.exists() and _holds_others_files(directory):
                raise UsageError(
                    f"{directory} is no OCI layout, and it is not empty.",
                    "Name another directory with --output.",
                )
            self._blobs.mkdir(parents=True, exist_ok=True)
            # Its modification time is never changed later.
            self._lock.enter_context(locked(self._blobs.parent))
            for leftover in directory.rglob(f"{_UNFINISHED}*"):
                leftover.unlink(missing_ok=True)
            _replace(layout, _json(_LAYOUT))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._lock.close()

    def add(self, media_type: str, content: bytes) -> Descriptor:
        """Add a blob of these bytes."""
        digest = hashlib.sha256(content).hexdigest()
        with _writing(self._directory):
            _replace(self._blobs / digest, content)
        self._written.add(digest)
        return Descriptor(media_type, f"sha256:{digest}", len(content))

    def add_json(self, media_type: str, document: Mapping[str, object]) -> Descriptor:
        """Add a blob of a document, always with the same bytes."""
        return self.add(media_type, _json(document))

    def add_layer(self, layer: Layer, compression: Compression) -> tuple[Descriptor, Blob]:
        """Add a blob of a layer, written as it is read."""
        with _writing(self._directory), _beside(self._blobs / "layer") as new:
            blob = write_blob(layer, compression, new)
            digest = blob.digest.removeprefix("sha256:")
            new.replace(self._blobs / digest)
        self._written.add(digest)
        return Descriptor(LAYER[compression], blob.digest, blob.size), blob

    def finish(self, manifest: Descriptor, referrers: Sequence[Descriptor] = ()) -> None:
        """Make `manifest` (an image or an index) the content; `referrers` are about it."""
        index = {
            "schemaVersion": 2,
            "mediaType": INDEX,
            "manifests": [manifest.to_json()],
            "annotations": {REFERRERS: " ".join(referrer.digest for referrer in referrers)},
        }
        with _writing(self._directory):
            _replace(self._directory / "index.json", _json(index))
            for blob in self._blobs.iterdir():
                if blob.name not in self._written:
                    blob.unlink(missing_ok=True)


def _platform(arch: str) -> Mapping[str, str]:
    """Return an image configuration's fields of an architecture; UsageError without Go's name."""
    try:
        return PLATFORMS[arch]
    except KeyError:
        raise UsageError(
            f"No image can be made for {arch}: the OCI specification takes Go's names of"
            " architectures, and Go has none for it.",
            f"Images can be made for {', '.join(PLATFORMS)}.",
        ) from None


def add_image(
    layout: Layout,
    layer: Layer,
    arch: str,
    labels: Mapping[str, str],
    compression: Compression,
) -> Descriptor:
    """Add an image of one layer; return its manifest's descriptor, with its platform."""
    descriptor, blob = layout.add_layer(layer, compression)
    platform = _platform(arch)
    created = rfc3339(layer.time)
    config = layout.add_json(
        CONFIG,
        {
            "created": created,
            **platform,
            "config": {"Env": [_PATH], "Labels": dict(sorted(labels.items()))},
            "rootfs": {"type": "layers", "diff_ids": [blob.diff_id]},
            "history": [{"created": created, "created_by": "minimize image"}],
        },
    )
    manifest = layout.add_json(
        MANIFEST,
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": config.to_json(),
            "layers": [descriptor.to_json()],
            "annotations": dict(sorted(labels.items())),
        },
    )
    return Descriptor(MANIFEST, manifest.digest, manifest.size, {"platform": dict(platform)})


def add_attachment(layout: Layout, attachment: Attachment, subject: Descriptor) -> Descriptor:
    """Add a document about `subject` (image-spec 1.1: `subject`, `artifactType`)."""
    blob = layout.add(attachment.media_type, attachment.content)
    empty = layout.add(EMPTY, b"{}")
    manifest = layout.add_json(
        MANIFEST,
        {
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "artifactType": attachment.media_type,
            "config": empty.to_json(),
            "layers": [blob.to_json()],
            "subject": Descriptor(subject.media_type, subject.digest, subject.size).to_json(),
        },
    )
    fields = {"artifactType": attachment.media_type}
    return Descriptor(MANIFEST, manifest.digest, manifest.size, fields)


def add_index(layout: Layout, images: Iterable[Descriptor]) -> Descriptor:
    """Add an index of images for several architectures."""
    index = layout.add_json(
        INDEX,
        {
            "schemaVersion": 2,
            "mediaType": INDEX,
            "manifests": [image.to_json() for image in images],
        },
    )
    return Descriptor(INDEX, index.digest, index.size)


def rfc3339(seconds: int) -> str:
    """Return a time in seconds since 1970 in OCI's format."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _json(document: Mapping[str, object]) -> bytes:
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()


def _holds_others_files(directory: Path) -> bool:
    """Return whether a directory has files other than those that a killed process of ours left."""
    names = (path.name for path in directory.rglob("*") if not path.is_dir())
    return not all(name.startswith(_UNFINISHED) for name in names)


def _replace(path: Path, content: bytes) -> None:
    with _beside(path) as new:
        new.write_bytes(content)
        new.replace(path)


@contextlib.contextmanager
def _beside(path: Path) -> Iterator[Path]:
    handle, name = tempfile.mkstemp(prefix=_UNFINISHED, dir=path.parent)
    os.fchmod(handle, 0o644)
    os.close(handle)
    try:
        yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)


@contextlib.contextmanager
def _writing(directory: Path) -> Iterator[None]:
    """Raise SurroundingsError for an OSError within."""
    try:
        yield
    except OSError as error:
        raise SurroundingsError(
            f"The layout cannot be written: {directory}: {error.strerror or error}.",
            write_hint(error, "--output"),
        ) from error


_LOOPBACK = ("localhost", "127.0.0.1", "[::1]")
_LARGE = 64_000_000
_PATIENCE = 30.0
_DEEPEST = 8  # indexes in indexes
_DIGEST = re.compile(r"[0-9a-f]{64}")


def push_layout(layout: Path, reference: str) -> None:
    """Push the one image or index of `layout` to `reference` (`REGISTRY/NAME:TAG`).

    Credentials are those stored by docker or podman. A registry on this machine's loopback is
    accessed without TLS, as by docker. Raises UsageError for a malformed reference,
    SurroundingsError where the registry refuses or cannot be reached.
    """
    import requests
    from oras.auth import AuthenticationException
    from oras.container import Container
    from oras.provider import Registry

    from bot.outbound.sessions import outbound_session

    try:
        container = Container(reference)
    except ValueError as error:
        raise UsageError(f"--push {reference}: this is no REGISTRY/NAME:TAG.") from error
    host = str(container.registry)
    registry = Registry(insecure=host.rpartition(":")[0] in _LOOPBACK or host in _LOOPBACK)
    outbound_session(registry.session)
    documents = pushed_documents(layout, str(container.digest or container.tag))
    try:
        # A quick request first: the library would retry for minutes.
        registry.session.get(f"{registry.prefix}://{host}/v2/", timeout=_PATIENCE)
        registry.auth.load_configs(container)
        for document in documents:
            _push(registry, container, layout, document)
    except (OSError, ValueError, AuthenticationException, requests.RequestException) as error:
        raise SurroundingsError(
            f"{reference} could not be sent: {error}.",
            "Check that the registry runs and that you are logged in (podman login, docker login).",
        ) from error


@dataclass(frozen=True, slots=True)
class PushedDocument:
    """A manifest or index as it is on disk, its tag or digest, and its blobs."""

    content: bytes
    media_type: str
    reference: str
    blobs: tuple[Descriptor, ...]


def pushed_documents(layout: Path, reference: str) -> tuple[PushedDocument, ...]:
    """Return the documents of the one image or index of `layout`, in the order of pushing.

    Each comes after those that it refers to. `reference` is the tag or digest of the last one
    before its referrers. UsageError where the layout lacks something or is malformed.
    """
    try:
        index = json.loads((layout / "index.json").read_bytes())
        top = index["manifests"][0]
        documents = list(_documents(layout, top["digest"], top["mediaType"], reference))
        for digest in index.get("annotations", {}).get(REFERRERS, "").split():
            documents += _documents(layout, digest, None, digest)
    except (OSError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise UsageError(
            f"{layout} is no OCI layout that can be sent: {type(error).__name__}: {error}.",
            "Make it again with minimize image.",
        ) from error
    return tuple(documents)


def _documents(
    layout: Path, digest: str, media_type: str | None, reference: str, depth: int = 0
) -> Iterator[PushedDocument]:
    content = _blob(layout, digest).read_bytes()
    document = json.loads(content)
    media_type = media_type or document["mediaType"]
    if media_type == INDEX:
        if depth == _DEEPEST:
            raise ValueError("an index refers to too many levels of indexes")
        for child in document["manifests"]:
            yield from _documents(
                layout, child["digest"], child["mediaType"], child["digest"], depth + 1
            )
    descriptors = [
        *([document["config"]] if "config" in document else ()),
        *document.get("layers", []),
    ]
    blobs = (Descriptor(str(b["mediaType"]), str(b["digest"]), int(b["size"])) for b in descriptors)
    yield PushedDocument(content, str(media_type), str(reference), tuple(blobs))


def _push(registry: Registry, container: Container, layout: Path, document: PushedDocument) -> None:
    """Push the blobs of a document, then the document."""
    for blob in document.blobs:
        place = str(_blob(layout, blob.digest))
        _expect(
            registry.upload_blob(place, container, blob.to_json(), do_chunked=blob.size > _LARGE)
        )
    _expect(
        registry.do_request(
            f"{registry.prefix}://{container.manifest_url(document.reference)}",
            "PUT",
            data=document.content,
            headers={"Content-Type": document.media_type},
        )
    )


def _blob(layout: Path, digest: str) -> Path:
    name = digest.removeprefix("sha256:")
    if not _DIGEST.fullmatch(name):
        raise ValueError(f"{digest[:80]!r} is no SHA-256 digest")
    return layout / "blobs" / "sha256" / name


def _expect(response: Any) -> None:
    if response.status_code not in (200, 201, 202):
        raise ValueError(f"HTTP status {response.status_code}: {response.text[:300]}")
