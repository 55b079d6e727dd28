"""The packages of an image on this machine, from its own rpm database.

Its files are a folder (`podman image mount`, a part of a container storage) or an OCI layout
(https://github.com/opencontainers/image-spec/blob/main/image-layout.md), as `skopeo copy` writes
one. rpm reads the database in the sandbox, and layers are read in a process with limits: both are
untrusted.
"""

from __future__ import annotations

import gzip
import os
import shutil
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import IO, Annotated, BinaryIO, cast

import zstandard
from pydantic import BaseModel, ConfigDict, Field

from bot.build.headers import HeaderError, package_of, read_database
from bot.image.oci import PLATFORMS
from bot.limited.call import CallLimits, call_limited
from bot.limited.forker import UnreadableError
from bot.limits import IMAGE_DATABASE, IMAGE_DOCUMENT, IMAGE_LAYER_SECONDS
from bot.model.nevra import source_name
from bot.model.package import Package
from bot.temporary import temporary_directory

# The database's directories: of Fedora and openSUSE, and the older one.
_PLACES = ("usr/lib/sysimage/rpm", "var/lib/rpm")
_CALL = CallLimits(
    seconds=IMAGE_LAYER_SECONDS, memory=4 * IMAGE_DATABASE, answer=2 * IMAGE_DATABASE
)
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"


class _Document(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class _Platform(_Document):
    architecture: str = ""


class _Descriptor(_Document):
    digest: Annotated[str, Field(pattern="^sha256:[0-9a-f]{64}$")]
    platform: _Platform | None = None


class _Manifest(_Document):
    """An OCI document: an index has `manifests`, the manifest of one image `layers`."""

    manifests: tuple[_Descriptor, ...] = ()
    layers: tuple[_Descriptor, ...] = ()


class BaseDatabases:
    """The packages of base images, each read once; `problems` say which cannot be read."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], tuple[Package, ...]] = {}
        self.problems: list[str] = []

    def packages(self, files: str, arch: str) -> tuple[Package, ...]:
        """Return the packages of an image's files for an architecture; none if unreadable."""
        if (files, arch) not in self._known:
            try:
                self._known[files, arch] = installed_packages(Path(files), arch)
            except HeaderError as error:
                self._known[files, arch] = ()
                self.problems.append(error.what)
        return self._known[files, arch]


def installed_packages(files: Path, arch: str) -> tuple[Package, ...]:
    """Return the packages of an image for an architecture, sorted by NEVRA.

    Empty where the image is of another architecture; HeaderError where there is no image, or no
    database that rpm can read.
    """
    with _database(files, arch) as folder:
        if folder is None:
            return ()
        headers = read_database(folder)
    packages = [
        package_of(header, source_name(header.source_rpm or header.name), "installed")
        for header in headers
    ]
    arches = {package.nevra.arch for package in packages} - {"noarch"}
    return tuple(sorted(packages, key=lambda p: p.nevra)) if arch in arches else ()


@contextmanager
def _database(files: Path, arch: str) -> Iterator[Path | None]:
    """Copy the database's files to a directory of ours; None where there is no such image."""
    with temporary_directory("rpmdb") as folder:
        folder.chmod(0o755)
        try:
            has_database = _fill(files, arch, folder)
        except (OSError, ValueError, UnreadableError) as error:
            raise HeaderError(f"The image in {files} cannot be read: {error}.") from error
        if has_database is False:
            raise HeaderError(f"The image in {files} has no rpm database.")
        yield folder if has_database else None


def _fill(files: Path, arch: str, folder: Path) -> bool | None:
    """Copy the database to `folder`; None where the layout has no image of the architecture."""
    if not (files / "oci-layout").is_file():
        return _copy(files, folder)
    layers = _layers(files, _document(files / "index.json"), PLATFORMS.get(arch, {}))
    # The newest layer with the database has it whole: rpm writes it as one file.
    return None if layers is None else any(_unpack(layer, folder) for layer in reversed(layers))


def _copy(files: Path, folder: Path) -> bool:
    """Copy the database of a root file system; links are ignored, as they may lead out of it."""
    for place in _PLACES:
        parts = [files.joinpath(*place.split("/")[:count]) for count in range(1, 5)]
        if any(part.is_symlink() for part in parts) or not parts[-1].is_dir():
            continue
        database = [
            file for file in parts[-1].iterdir() if file.is_file() and not file.is_symlink()
        ]
        if sum(file.stat().st_size for file in database) > IMAGE_DATABASE:
            raise ValueError(f"its rpm database is larger than {IMAGE_DATABASE} bytes")
        for file in database:
            shutil.copyfile(file, folder / file.name)
        if database:
            return True
    return False


def _layers(files: Path, document: _Manifest, platform: Mapping[str, str]) -> list[Path] | None:
    """Return the layers of the image for a platform, from the first to the last; None without one.

    A manifest without a platform is for any.
    """
    if document.layers:
        return [_place(files, layer) for layer in document.layers]
    architecture = platform.get("architecture")
    for manifest in document.manifests:
        if manifest.platform is None or manifest.platform.architecture == architecture:
            layers = _layers(files, _document(_place(files, manifest)), platform)
            if layers is not None:
                return layers
    return None


def _place(files: Path, descriptor: _Descriptor) -> Path:
    return files / "blobs" / descriptor.digest.replace(":", "/")


def _document(path: Path) -> _Manifest:
    with path.open("rb") as stream:
        return _Manifest.model_validate_json(stream.read(IMAGE_DOCUMENT))


def _unpack(layer: Path, folder: Path) -> bool:
    """Write a layer's files of the database; return whether it has any."""
    with layer.open("rb") as packed:
        database = call_limited(database_of_layer, limits=_CALL, descriptors=[packed.fileno()])
    with tarfile.open(fileobj=BytesIO(database)) as archive:
        for member in archive:
            content = archive.extractfile(member)
            if content is not None:
                (folder / Path(member.name).name).write_bytes(content.read())
    return any(folder.iterdir())


def database_of_layer(packed: int) -> bytes:
    """Return a tar archive of the rpm database's files in a layer.

    Raises UnreadableError where the layer is no archive, or they are larger than the limit.
    """
    database, size = BytesIO(), 0
    try:
        with (
            open(packed, "rb", closefd=False) as stream,
            tarfile.open(fileobj=_plain(stream), mode="r|") as layer,
            tarfile.open(fileobj=database, mode="w") as archive,
        ):
            for member in layer:
                folder, _, name = os.path.normpath(member.name).lstrip("/").rpartition("/")
                if folder not in _PLACES or not member.isfile():
                    continue
                size += member.size
                if size > IMAGE_DATABASE:
                    raise UnreadableError(f"its database is larger than {IMAGE_DATABASE} bytes")
                archive.addfile(_member(name, member.size), layer.extractfile(member))
    except (tarfile.TarError, zstandard.ZstdError, zlib.error, EOFError, OSError) as error:
        raise UnreadableError(f"a layer is no archive: {error}") from error
    return database.getvalue()


def _member(name: str, size: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size = size
    return member


def _plain(stream: BinaryIO) -> IO[bytes]:
    """Return a layer's decompressed stream."""
    magic = stream.read(4)
    stream.seek(0)
    if magic.startswith(_GZIP):
        return cast("IO[bytes]", gzip.GzipFile(fileobj=stream))
    if magic == _ZSTD:
        return zstandard.ZstdDecompressor().stream_reader(stream)
    return stream
