"""The rpm database of an image, written by rpm itself: no scriptlets, no files, only headers.

rpm reads headers that a change's author may have made, so it runs in the sandbox. It gets the
packages' first bytes, up to the end of their headers: payloads are not needed.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from functools import cache as once
from pathlib import Path

from bot.distro.cache import Cache
from bot.distro.packages import fetch_header, fetch_package
from bot.errors import ChangeError, SurroundingsError
from bot.image.listing import Listing
from bot.image.rpmheader import header_bytes
from bot.image.selection import Selection
from bot.image.tarformat import Part, PartStore, PartWriter, TarEntry, entry_header, key_of, padding
from bot.model.package import Package
from bot.sandbox.run import run_sandboxed
from bot.sandbox.values import Bind, Limits
from bot.temporary import temporary_directory

_FILE = "rpmdb.sqlite"
_MAGIC = b"SQLite format 3\0"
# The database is made in the sandbox's /tmp, which is memory, and comes out as its output.
_LIMITS = Limits(seconds=300.0, memory=1 << 30, output=1 << 30, file_size=1 << 30, tmp=1 << 30)
# SQLite's file format, section 1.3: the change counter, who wrote last and at which counter.
_COUNTER, _VALID_FOR, _WRITER = 24, 92, 96
# SQLite 3.40.0, in every database: which version wrote it says nothing of the content.
_VERSION = 3_040_000
_SCRIPT = """
rpm --dbpath /tmp/db --install --justdb --noscripts --notriggers --nodeps --ignorearch --ignoreos \\
  --ignoresize --replacefiles --nosignature --nodigest "$@" >&2
exec cat /tmp/db/rpmdb.sqlite
"""


@dataclass(frozen=True, slots=True)
class DatabaseRequest:
    """The headers of an image's rpm database; `time` (seconds since 1970) is its only time."""

    packages: tuple[Package, ...]
    listings: tuple[Listing, ...]
    selection: Selection
    time: int
    directory: str


@once
def rpm_version() -> str:
    """The version of the rpm that writes databases, as `rpm --version` says it."""
    finished = run_sandboxed(["rpm", "--version"], limits=Limits(seconds=30.0))
    if finished.returncode != 0:
        raise SurroundingsError(
            "rpm cannot be run, and it writes the database of an image.",
            "Install it: apt-get install rpm, or dnf install rpm.",
        )
    return finished.stdout.decode().strip().removeprefix("RPM version ")


def database_key(request: DatabaseRequest) -> str:
    """The key of a database: its headers in their order, what of them is installed, rpm."""
    return key_of(
        "database",
        [found.header for found in request.listings],
        request.selection.documentation,
        request.selection.languages,
        request.time,
        request.directory,
        rpm_version(),
    )


def make_database(request: DatabaseRequest, cache: Cache, store: PartStore) -> Part:
    """The piece of a layer with the database. Raises ChangeError where rpm refuses a header."""

    def fill(writer: PartWriter) -> None:
        content = _written(request, cache)
        entry = TarEntry(
            f"{request.directory}/{_FILE}", 0o100644, size=len(content), mtime=request.time
        )
        writer.write(entry_header(entry))
        writer.write(content)
        writer.write(padding(len(content)))

    return store.make(database_key(request), fill)


def _written(request: DatabaseRequest, cache: Cache) -> bytes:
    with temporary_directory("rpmdb") as headers:
        headers.chmod(0o755)
        listed = []
        for number, package in enumerate(request.packages):
            file = headers / f"{number:05}.rpm"
            _readable(file, _header(package, cache))
            listed.append(f"/headers/{file.name}\n")
        _readable(headers / "list", "".join(listed).encode())
        content = _run(request, headers)
    if not content.startswith(_MAGIC):
        raise SurroundingsError(
            "rpm wrote no SQLite database here.",
            "minimize needs rpm 4.16 or newer with the sqlite backend.",
        )
    return normalized(content)


def _readable(file: Path, content: bytes) -> None:
    """Writes a file that the sandbox's user can read, whatever the umask is."""
    file.write_bytes(content)
    file.chmod(0o644)


def _header(package: Package, cache: Cache) -> bytes:
    content = fetch_header(package, cache)
    if content is not None:
        return content
    with fetch_package(package, cache).open("rb") as stream:
        return header_bytes(str(package.nevra), stream)


def _run(request: DatabaseRequest, headers: Path) -> bytes:
    # What the host's configuration could change is set here.
    definitions = {
        "_db_backend": "sqlite",
        "_install_langs": ":".join(request.selection.languages),
        "_pkgverify_level": "none",
        "_transaction_color": "3",
        "_prefer_color": "2",
        "_netsharedpath": "%{nil}",
    }
    arguments = ["--includedocs" if request.selection.documentation else "--excludedocs"]
    for macro, value in definitions.items():
        arguments += ["--define", f"{macro} {value}"]
    finished = run_sandboxed(
        ["/bin/sh", "-ec", _SCRIPT, "install", *arguments, "/headers/list"],
        binds=[Bind(headers, "/headers")],
        env={"SOURCE_DATE_EPOCH": str(request.time), "TZ": "UTC", "LC_ALL": "C"},
        limits=_LIMITS,
    )
    if finished.returncode != 0 or finished.limit is not None:
        output = (finished.stderr or finished.stdout).decode("utf-8", "replace").strip()
        reason = f"the limit of {finished.limit}" if finished.limit else output or "nothing"
        raise ChangeError(f"rpm cannot write the image's database: {reason[-2000:]}")
    return finished.stdout


def normalized(database: bytes) -> bytes:
    """An SQLite file without what tells of the library that wrote it."""
    if len(database) < 100:
        return database
    counter = struct.pack(">I", 1)
    found = bytearray(database)
    found[_COUNTER : _COUNTER + 4] = counter
    found[_VALID_FOR : _VALID_FOR + 4] = counter
    found[_WRITER : _WRITER + 4] = struct.pack(">I", _VERSION)
    return bytes(found)
