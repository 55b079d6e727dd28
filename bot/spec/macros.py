"""The distribution's macros: those of its own packages, not the host's.

The packages are found by name, since repositories list no file below /usr/lib/rpm in primary.xml:
what a build root of the distribution holds, and everything that calls itself a macro package. What
they have below /usr/lib/rpm and /etc/rpm is unpacked into the cache, by content.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from bot.errors import SurroundingsError
from bot.model import Closure, Nevra, Package

if TYPE_CHECKING:
    from bot.distro import Cache

_FORMAT = 1
# Names, as Fedora, openSUSE, Mageia, Azure Linux and Debian's own rpm give them.
_CARRIERS = re.compile(
    r"^(rpm|rpm-common|rpm-build|rpm-libs|.*-(s)?rpm-(macros|config|generators)(-.*)?|rpm-config-.*|"
    r".*-macros|.*-release|.*-release-common|.*-build-macros|go-rpm-templates|forge-.*-macros)$"
)
_GLOBS = ("*-rpm-macros", "*-srpm-macros", "*-rpm-config", "rpm-config-*")
# What is asked for where the document names no build packages; what is not there is left out.
_DEFAULT_BUILDROOT = ("rpm", "rpm-build", "redhat-rpm-config", "system-release")
_DIRECTORIES = ("usr/lib/rpm/", "etc/rpm/")
_MOST_FILE = 8 * 1024 * 1024
_HOST = Path("/usr/lib/rpm")


@dataclass(frozen=True, slots=True)
class MacroSource:
    """Macro files for evaluating spec files.

    `root` is a directory with `usr/lib/rpm` (and maybe `etc/rpm`) as the distribution's packages
    fill them, or null: rpm's built-in macros of this host. `packages` are their NEVRAs, `notes`
    sentences for the report.
    """

    root: Path | None
    packages: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


BUILT_IN = MacroSource(None)


class MacroPool(Protocol):
    """What of a pool (`bot.closure.Pool`) finding macro packages needs."""

    def selects(self, request: str) -> tuple[Nevra, ...]:
        """The packages that a request could mean; none if it matches nothing."""
        ...

    def solve_names(self, names: Iterable[str], *, weak: bool = False) -> Closure:
        """The closure of these requests."""
        ...


Fetch = Callable[[Sequence[Package]], Sequence[Path]]


def macros_of(
    pool: MacroPool,
    cache: Cache,
    *,
    buildroot: Sequence[str] = (),
    name: str = "the distribution",
    fetch: Fetch | None = None,
) -> MacroSource:
    """The macros of a distribution: found in `pool`, fetched, and unpacked into the cache once.

    `buildroot` are the build packages that its document names. Where its macro packages are not
    there or cannot be fetched, rpm's built-in macros of this host, and a note that says so for
    `name`. `fetch` gets the files of packages in their order (`bot.distro.fetch_packages`).
    """
    packages = macro_packages(pool, buildroot)
    if not packages:
        return _built_in(f"no macro packages were found in {name}")
    if fetch is None:
        from bot.distro import fetch_packages

        def fetch(wanted: Sequence[Package]) -> Sequence[Path]:
            return fetch_packages(wanted, cache)

    root = cache.addressed("macros", _key(packages))
    names = tuple(str(package.nevra) for package in packages)
    if not root.is_dir():
        try:
            _unpack_into(root, fetch(packages), cache)
        except (SurroundingsError, OSError) as error:
            return _built_in(f"the macro packages of {name} could not be fetched ({error})")
    if not _carries_macros(root):
        return _built_in(f"the packages of {name} carry no macros")
    return MacroSource(root, names)


def _built_in(reason: str) -> MacroSource:
    return replace(
        BUILT_IN,
        notes=(
            f"Spec files were evaluated with this host's rpm macros, not the distribution's own: "
            f"{reason}.",
        ),
    )


def macro_packages(pool: MacroPool, buildroot: Sequence[str]) -> tuple[Package, ...]:
    """The packages that may carry macros, sorted by NEVRA: of a build root, and by their names."""
    base = [request for request in (*buildroot, *_DEFAULT_BUILDROOT) if pool.selects(request)]
    carriers = sorted({nevra.name for glob in _GLOBS for nevra in pool.selects(glob)})
    found: dict[Nevra, Package] = {}
    # Macro packages of different languages may conflict with each other: then only a build root's.
    for requests in ((*base, *carriers), tuple(base), tuple(carriers)):
        closure = pool.solve_names(dict.fromkeys(requests))
        if requests and closure.status == "ok":
            for package in closure.packages:
                if _CARRIERS.match(package.nevra.name):
                    found[package.nevra] = package
            break
    return tuple(found[nevra] for nevra in sorted(found))


def _key(packages: Iterable[Package]) -> str:
    parts = [
        [str(package.nevra), "" if package.location is None else package.location.checksum]
        for package in packages
    ]
    return hashlib.sha256(json.dumps([_FORMAT, _host_state(), parts]).encode()).hexdigest()


def _host_state() -> list[object]:
    """What of this host's rpm goes into an unpacked tree."""
    found: list[object] = []
    for name in ("rpmrc", "macros"):
        path = _HOST / name
        found.append(hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None)
    return found


def _carries_macros(root: Path) -> bool:
    config = root / "usr/lib/rpm"
    return (config / "macros").is_file() or any((config / "macros.d").glob("macros.*"))


def _unpack_into(root: Path, rpms: Sequence[Path], cache: Cache) -> None:
    root.parent.mkdir(parents=True, exist_ok=True)
    with cache.lock(f"macros-{root.name}"):
        if root.is_dir():
            return
        temporary = Path(tempfile.mkdtemp(prefix=".macros-", dir=root.parent))
        try:
            for path in rpms:
                unpack_macros(path, temporary)
            _complete(temporary / "usr/lib/rpm")
            for directory, _, _ in os.walk(temporary):
                Path(directory).chmod(0o755)
            temporary.rename(root)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


def unpack_macros(rpm_file: Path, target: Path) -> None:
    """What an RPM file has below /usr/lib/rpm and /etc/rpm, written below `target`.

    Links that leave these directories, and paths that are not plain, are left out. Raises
    SurroundingsError where the file cannot be read.
    """
    import rpm

    transaction = rpm.TransactionSet()
    transaction.setVSFlags(rpm.RPMVSF_MASK_NOSIGNATURES | rpm.RPMVSF_MASK_NODIGESTS)
    transaction.setKeyring(rpm.keyring())
    try:
        with rpm_file.open("rb") as file:
            header = transaction.hdrFromFdno(file.fileno())
            payload = rpm.fd(file.fileno(), "r", header["payloadcompressor"] or "gzip")
            archive = rpm.files(header).archive(payload)
            for entry in archive:
                _unpack(entry, archive, target)
    except (rpm.error, OSError, ValueError) as error:
        raise SurroundingsError(f"{rpm_file.name} cannot be unpacked: {error}.") from error


def _unpack(entry: Any, archive: Any, target: Path) -> None:
    name = str(entry.name).lstrip("/")
    parts = name.split("/")
    if not name.startswith(_DIRECTORIES) or ".." in parts or "" in parts:
        return
    place = target / name
    if stat.S_ISREG(entry.mode) and archive.hascontent() and entry.size <= _MOST_FILE:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.unlink(missing_ok=True)
        place.write_bytes(archive.read(entry.size) if entry.size else b"")
        place.chmod(0o755 if entry.mode & 0o111 else 0o644)
    elif stat.S_ISLNK(entry.mode):
        # A link is kept only if it stays where everything here comes from.
        pointed = os.path.normpath(Path("/", *parts[:-1]) / str(entry.linkto))
        if pointed.lstrip("/").startswith(_DIRECTORIES):
            place.parent.mkdir(parents=True, exist_ok=True)
            place.unlink(missing_ok=True)
            place.symlink_to(entry.linkto)


def _complete(config: Path) -> None:
    """Beside the distribution's files, what this host's librpm needs of its own.

    rpmrc must suit the library; macros that an older distribution does not define, and platforms
    that it lacks, come from the host.
    """
    config.mkdir(parents=True, exist_ok=True)
    if (_HOST / "rpmrc").is_file():
        text = (_HOST / "rpmrc").read_text(errors="surrogateescape")
        for vendor in sorted(config.glob("*/rpmrc")):
            text += f"\ninclude: /usr/lib/rpm/{vendor.parent.name}/rpmrc\n"
        (config / "rpmrc").write_text(text, errors="surrogateescape")
    if (_HOST / "macros").is_file():
        shutil.copyfile(_HOST / "macros", config / "macros.minimize")
        if not (config / "macros").is_file():
            shutil.copyfile(_HOST / "macros", config / "macros")
    for platform in sorted((_HOST / "platform").glob("*-linux")):
        own = config / "platform" / platform.name
        if not own.exists() and (platform / "macros").is_file():
            own.mkdir(parents=True)
            shutil.copyfile(platform / "macros", own / "macros")
