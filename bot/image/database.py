"""The rpm database of an image, written by rpm itself, and the owners of its files.

The database has only headers: no scriptlets are run, no files installed. rpm reads headers that a
change's author may have made, so it runs in the sandbox. It gets the packages' first bytes, up to
the end of their headers: payloads are not needed. Owners are those of the image's own /etc/passwd
and /etc/group, and the users that packages bring.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache as once
from pathlib import Path

from bot.distro.cache import Cache
from bot.errors import ChangeError, SurroundingsError
from bot.image.listing import Listing, Sysuser, package_header
from bot.image.selection import Selection
from bot.image.tarformat import Part, PartStore, PartWriter, TarEntry, entry_header, key_of, padding
from bot.model.package import Package
from bot.sandbox.run import run_sandboxed
from bot.sandbox.values import Bind, Limits
from bot.temporary import temporary_directory

_FILE = "rpmdb.sqlite"
_MAGIC = b"SQLite format 3\0"
# The database is made in the sandbox's /tmp, which is memory, and returned as its output.
_LIMITS = Limits(seconds=300.0, memory=1 << 30, output=1 << 30, file_size=1 << 30, tmp=1 << 30)
# SQLite's file format, section 1.3: the change counter, the counter of the last write, and its
# version of SQLite.
_COUNTER, _VALID_FOR, _WRITER = 24, 92, 96
# SQLite 3.40.0, written into every database: the version does not change the content.
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
    """Return the version of the rpm that writes databases, from `rpm --version`."""
    finished = run_sandboxed(["rpm", "--version"], limits=Limits(seconds=30.0))
    if finished.returncode != 0:
        raise SurroundingsError(
            "rpm cannot be run, which writes the database of an image.",
            "Install it: apt-get install rpm, or dnf install rpm.",
        )
    return finished.stdout.decode().strip().removeprefix("RPM version ")


def database_key(request: DatabaseRequest) -> str:
    """Return the key of a database: its headers in order, and all else that its bytes depend on."""
    return key_of(
        "database",
        [listing.header for listing in request.listings],
        request.selection.documentation,
        request.selection.languages,
        request.time,
        request.directory,
        rpm_version(),
    )


def make_database(request: DatabaseRequest, cache: Cache, store: PartStore) -> Part:
    """Return the piece of a layer with the database.

    Raises ChangeError where rpm refuses a header.
    """

    def fill(writer: PartWriter) -> None:
        content = _write_database(request, cache)
        entry = TarEntry(
            f"{request.directory}/{_FILE}", 0o100644, size=len(content), mtime=request.time
        )
        writer.write(entry_header(entry))
        writer.write(content)
        writer.write(padding(len(content)))

    return store.make(database_key(request), fill)


def _write_database(request: DatabaseRequest, cache: Cache) -> bytes:
    with temporary_directory("rpmdb") as headers:
        headers.chmod(0o755)
        lines = []
        for number, package in enumerate(request.packages):
            file = headers / f"{number:05}.rpm"
            _readable(file, package_header(package, cache))
            lines.append(f"/headers/{file.name}\n")
        _readable(headers / "list", "".join(lines).encode())
        content = _run(request, headers)
    if not content.startswith(_MAGIC):
        raise SurroundingsError(
            "rpm wrote no SQLite database here.",
            "minimize needs rpm 4.16 or newer with the sqlite backend.",
        )
    return normalized(content)


def _readable(file: Path, content: bytes) -> None:
    """Write a file that the sandbox's user can read, whatever the umask."""
    file.write_bytes(content)
    file.chmod(0o644)


def _run(request: DatabaseRequest, headers: Path) -> bytes:
    # These override the host's configuration.
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
    """Return an SQLite file without the traces of the library that wrote it."""
    if len(database) < 100:
        return database
    counter = struct.pack(">I", 1)
    content = bytearray(database)
    content[_COUNTER : _COUNTER + 4] = counter
    content[_VALID_FOR : _VALID_FOR + 4] = counter
    content[_WRITER : _WRITER + 4] = struct.pack(">I", _VERSION)
    return bytes(content)


PASSWD, GROUP = "/etc/passwd", "/etc/group"
# The numbers that systemd-sysusers assigns, from the highest down.
_HIGHEST, _LOWEST = 999, 100


@dataclass(frozen=True, slots=True)
class Owners:
    """The numbers of users and groups.

    `passwd` and `group` are the new contents of the two files, null if they did not have to grow.
    """

    users: dict[str, int] = field(default_factory=dict)
    groups: dict[str, int] = field(default_factory=dict)
    passwd: bytes | None = None
    group: bytes | None = None

    def of(self, user: str, group: str) -> tuple[int, int, int]:
        """Return uid, gid, and the mode bits to clear: unknown names become root, as in rpm.

        A file that becomes root's loses setuid or setgid (rpm's lib/rpmfi.c, rpmfilesStat).
        """
        uid, gid, cleared = 0, 0, 0
        if user != "root":
            number = self.users.get(user)
            uid, cleared = (number, 0) if number is not None else (0, 0o4000)
        if group != "root":
            number = self.groups.get(group)
            gid, cleared = (number, cleared) if number is not None else (0, cleared | 0o2000)
        return uid, gid, cleared


def read_owners(passwd: bytes, group: bytes, sysusers: Iterable[Sysuser]) -> Owners:
    """Return the owners of an image: its passwd and group, and the users that its packages bring.

    Users without a number get one as from systemd-sysusers, in the order of their names.
    """
    users, groups = _numbers(passwd), _numbers(group)
    lines = sorted(set(sysusers))
    new_users: list[str] = []
    new_groups: list[str] = []
    entries = [_words(user.line) for user in lines]
    for kind, name, number, *_ in entries:
        if kind == "g" and name not in groups:
            groups[name] = _number(number, groups)
            new_groups.append(f"{name}:x:{groups[name]}:")
    for kind, name, number, *rest in entries:
        if kind not in ("u", "u!") or name in users:
            continue
        ids, _, primary = number.partition(":")
        if primary:
            gid = int(primary) if primary.isdigit() else groups.get(primary, 0)
            users[name] = _number(ids, users)
        else:
            users[name] = _number(ids, users, groups.get(name), groups)
            if name not in groups:
                groups[name] = users[name]
                new_groups.append(f"{name}:x:{groups[name]}:")
            gid = groups[name]
        comment, home, shell = (*rest, "", "", "")[:3]
        new_users.append(
            f"{name}:x:{users[name]}:{gid}:{_or(comment, '')}:{_or(home, '/')}:"
            f"{_or(shell, '/usr/sbin/nologin')}"
        )
    members = [(name, number) for kind, name, number, *_ in entries if kind == "m"]
    new_group = _with_members(_with_lines(group, new_groups), members)
    return Owners(
        users,
        groups,
        _with_lines(passwd, new_users) if new_users else None,
        new_group if new_group != group else None,
    )


def _numbers(content: bytes) -> dict[str, int]:
    numbers: dict[str, int] = {}
    for line in content.decode("utf-8", "surrogateescape").splitlines():
        fields = line.split(":")
        if len(fields) > 2 and fields[2].isdigit():
            numbers.setdefault(fields[0], int(fields[2]))
    return numbers


def _words(line: str) -> list[str]:
    import shlex

    try:
        words = shlex.split(line)
    except ValueError:
        words = line.split()
    # A name with a colon or a line break could write lines of its own into the files.
    if any(set(word) & set("\n\r") or (":" in word and i != 2) for i, word in enumerate(words)):
        return ["", "", ""]
    return [*words, "", "", ""][: max(3, len(words))]


def _number(
    text: str,
    numbers: dict[str, int],
    preferred: int | None = None,
    other_numbers: dict[str, int] | None = None,
) -> int:
    if text.isdigit():
        return int(text)
    if preferred is not None:
        return preferred
    used = {*numbers.values(), *(other_numbers or {}).values()}
    return next((n for n in range(_HIGHEST, _LOWEST, -1) if n not in used), 65534)


def _or(text: str, default: str) -> str:
    return default if text in ("", "-") else text


def _with_lines(content: bytes, lines: list[str]) -> bytes:
    if not lines:
        return content
    if content and not content.endswith(b"\n"):
        content += b"\n"
    return content + "".join(f"{line}\n" for line in lines).encode()


def _with_members(content: bytes, members: list[tuple[str, str]]) -> bytes:
    if not members:
        return content
    lines = content.decode("utf-8", "surrogateescape").splitlines()
    for user, group in members:
        for index, line in enumerate(lines):
            fields = line.split(":")
            if fields[0] == group and len(fields) == 4:
                names = [name for name in fields[3].split(",") if name]
                if user not in names:
                    lines[index] = ":".join([*fields[:3], ",".join([*names, user])])
    return "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape")
