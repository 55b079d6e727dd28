"""Packages from the RPM files of a build, which are untrusted: librpm reads them in the sandbox."""

from __future__ import annotations

import hashlib
import os
import struct
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

from pydantic import Field, TypeAdapter, ValidationError

from bot.build.builder import BuiltPackages
from bot.errors import ChangeError
from bot.limited.call import CallLimits, call_limited
from bot.limited.fields import (
    Architecture,
    Capability,
    Epoch,
    FileName,
    Name,
    Size,
    Strict,
    Version,
    problem,
)
from bot.limited.forker import UnreadableError
from bot.limits import BUILT_DEPENDENCIES, BUILT_FILES, BUILT_HEADERS, BUILT_PACKAGES, HEADER
from bot.model.architecture import native_arches
from bot.model.nevra import Nevra, source_name
from bot.model.package import Dependency, DependencyKind, Location, Overlay, Package
from bot.sandbox.run import result_file, run_sandboxed
from bot.sandbox.values import Bind, Limits

_READER = Path(__file__).with_name("header_reader.py")
# The system's own Python: the one that python3-rpm belongs to.
_PYTHON = "/usr/bin/python3"
_LIMITS = Limits(seconds=60.0)
_CALL = CallLimits(seconds=30.0, answer=BUILT_HEADERS)
_LEAD = 96
_MAGIC = b"\x8e\xad\xe8\x01"


class HeaderError(ChangeError):
    """A file that a build made is no readable RPM."""


class BuiltHeader(Strict):
    """The header of one RPM file, as `header_reader` writes it."""

    name: Name
    epoch: Epoch
    version: Version
    release: Version
    arch: Architecture
    source_rpm: FileName | None
    installed_size: Size
    installed_size_nodocs: Size
    dependencies: Annotated[
        list[tuple[DependencyKind, Capability, list[str], bool, list[FileName]]],
        Field(max_length=BUILT_DEPENDENCIES),
    ]
    files: Annotated[list[FileName], Field(max_length=BUILT_FILES)]


_HEADERS: TypeAdapter[list[BuiltHeader]] = TypeAdapter(list[BuiltHeader])


def read_headers(files: Sequence[Path]) -> list[BuiltHeader]:
    """Return the headers of RPM files of one directory, in order.

    Raises HeaderError where librpm refuses a file or a limit is exceeded, SandboxError where the
    sandbox cannot work.
    """
    if not files:
        return []
    if len(files) > BUILT_PACKAGES:
        raise HeaderError(f"The build made more than {BUILT_PACKAGES} packages.")
    for path in files:
        _refuse_long(path)
    arguments = [f"/rpms/{path.name}" for path in files]
    return _read("The RPM files of the build", files[0].parent, arguments, len(files))


def read_database(folder: Path) -> list[BuiltHeader]:
    """Return the headers of the packages in an rpm database; errors as of `read_headers`."""
    return _read("The rpm database", folder, ["/rpms"], None)


def _read(
    what: str, directory: Path, arguments: Sequence[str], count: int | None
) -> list[BuiltHeader]:
    """Return the headers for the reader's arguments; it sees `directory` as /rpms."""
    with result_file(BUILT_HEADERS) as descriptor:
        finished = run_sandboxed(
            [_PYTHON, "-I", "/reader/header_reader.py", *arguments],
            binds=[Bind(_READER, "/reader/header_reader.py"), Bind(directory, "/rpms")],
            limits=_LIMITS,
            result=descriptor,
        )
        if finished.returncode != 0 or finished.limit is not None:
            lines = finished.stderr.decode("utf-8", "replace").strip().splitlines()
            reason = (
                f"the limit of {finished.limit}" if finished.limit else (lines or ["nothing"])[-1]
            )
            raise HeaderError(f"{what} cannot be read: {reason}.")
        try:
            text = call_limited(checked_headers, count, limits=_CALL, descriptors=[descriptor])
        except UnreadableError as error:
            raise HeaderError(f"{what} cannot be read: {error}.") from error
    return _HEADERS.validate_json(text)


def checked_headers(count: int | None, descriptor: int) -> bytes:
    """Return `count` headers of `header_reader` as a JSON list; of a database any number.

    Raises UnreadableError.
    """
    # The unwritten part of the file has no pages: it is a hole, and need not be read.
    size = os.fstat(descriptor).st_size
    end = os.lseek(descriptor, 0, os.SEEK_HOLE) if size else 0
    content = os.pread(descriptor, end, 0).rstrip(b"\0")
    lines = content.decode("utf-8", "replace").rstrip("\n").split("\n")
    del content
    text = f"[{','.join(filter(None, lines))}]"
    try:
        number = len(_HEADERS.validate_json(text))
    except ValidationError as error:
        raise UnreadableError(problem(error)) from error
    if count is not None and number != count:
        raise UnreadableError(f"there are {number} answers for {count} files")
    return text.encode()


def _refuse_long(path: Path) -> None:
    """Raise HeaderError for an RPM file whose header exceeds its limit."""
    try:
        _, end = header_range(path)
    except ValueError as error:
        raise HeaderError(f"The RPM files of the build cannot be read: {error}.") from error
    if end > HEADER:
        raise HeaderError(
            f"The header of {path.name} has {end} bytes, more than the {HEADER} allowed."
        )


def check_digests(files: Sequence[Path]) -> None:
    """Raise HeaderError unless each file has the digests that rpm wrote into it.

    These are of its header and of its payload. The files are in one directory.
    """
    if not files:
        return
    names = [f"/rpms/{path.name}" for path in files]
    finished = run_sandboxed(
        ["/usr/bin/rpmkeys", "--checksig", "--nosignature", *names],
        binds=[Bind(files[0].parent, "/rpms")],
        limits=replace(_LIMITS, seconds=600.0),
    )
    if finished.returncode != 0 or finished.limit is not None:
        raise HeaderError("The RPM files of the build are damaged: their digests do not fit.")


def packages_of(rpms: Iterable[Path], source: str, *, foreign: bool = False) -> tuple[Package, ...]:
    """Return the packages in RPM files of one directory, sorted by NEVRA, with `file://` locations.

    `installed_size` is RPMTAG_SIZE, as createrepo_c writes it into primary.xml. Files that were
    built elsewhere (`foreign`) must each state that they are of `source`; HeaderError otherwise.
    """
    files = sorted(rpms)
    headers = read_headers(files)
    if foreign:
        for header in headers:
            source_rpm = header.source_rpm or ""
            if source_name(source_rpm) != source:
                raise HeaderError(
                    f"A package {header.name} of {source} is one of {source_rpm or 'no source'}."
                )
    packages = [
        replace(
            package_of(header, source, "overlay"),
            download_size=path.stat().st_size,
            location=_location(path),
        )
        for header, path in zip(headers, files, strict=True)
    ]
    return tuple(sorted(packages, key=lambda package: package.nevra))


def package_of(header: BuiltHeader, source: str, repository: str) -> Package:
    """Return the package of a header, without a location."""
    return Package(
        nevra=Nevra(header.name, header.epoch, header.version, header.release, header.arch),
        source=source,
        repository=repository,
        dependencies=tuple(
            Dependency(kind, capability, tuple(qualifiers), generated, tuple(files))
            for kind, capability, qualifiers, generated, files in header.dependencies
        ),
        files=tuple(header.files),
        installed_size=header.installed_size,
        installed_size_nodocs=header.installed_size_nodocs,
    )


def _location(path: Path) -> Location:
    with path.open("rb") as file:
        checksum = hashlib.file_digest(file, "sha256").hexdigest()
    start, end = header_range(path)
    return Location(path.as_uri(), "sha256", checksum, path.stat().st_size, start, end)


def header_range(path: Path) -> tuple[int, int]:
    """Return where the main header is in an RPM file, in bytes, the end exclusive.

    As rpm-md's `header-range`: after the lead (96 bytes) and the signature, which is padded to 8.
    Raises ValueError where the file is no RPM.
    """
    with path.open("rb") as file:
        signature = _header_size(file.read(_LEAD + 16)[_LEAD:])
        start = _LEAD + signature + -signature % 8
        file.seek(start)
        return start, start + _header_size(file.read(16))


def _header_size(intro: bytes) -> int:
    if len(intro) != 16 or intro[:4] != _MAGIC:
        raise ValueError("not an RPM header")
    entries, data = struct.unpack(">II", intro[8:])
    return 16 + int(entries) * 16 + int(data)


def rebuilt_overlay(
    built: BuiltPackages | Iterable[BuiltPackages], arch: str, sources: Collection[str]
) -> Overlay:
    """Return the overlay of one build, or of the builds of several specs, for the pool of `arch`.

    `sources` are the names of the changed source packages. Packages of other architectures and
    debug packages are left out, as CONTRACT says of overlays.
    """
    builds = (built,) if isinstance(built, BuiltPackages) else tuple(built)
    packages = sorted(
        (
            package
            for build in builds
            for package in build.packages
            if package.nevra.arch in native_arches(arch) and not is_debug(package.nevra.name)
        ),
        key=lambda package: package.nevra,
    )
    notes = tuple(note for build in builds for note in build.notes)
    return Overlay(arch, frozenset(sources), tuple(packages), "rebuilt", notes)


def is_debug(name: str) -> bool:
    """Return whether a package of this name has only debug data."""
    return name.endswith(("-debuginfo", "-debugsource"))
