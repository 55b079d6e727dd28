"""Headers of packages: requirements written by hand or generated, also those of single files.

The flags are those of rpm's rpmds.h, the tags those of its rpmtag.h.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import zip_longest

from bot.advice.candidates import Candidates
from bot.closure.overlay_pool import OverlayPool
from bot.distro.cache import Cache
from bot.distro.failover import FEW
from bot.distro.packages import fetch_header
from bot.distro.transfer import local_path
from bot.image.listing import parse_listing
from bot.image.rpmheader import Header, RefusedPackageError, read_headers
from bot.model.nevra import Nevra
from bot.model.package import Package
from bot.spec.headers import capability_key, capability_text

_FIND_REQUIRES, _INTERPRETER, _RPMLIB, _CONFIG = 1 << 14, 1 << 8, 1 << 24, 1 << 28
# Of scriptlets (post, pre, preun, postun, verify and those of transactions).
_SCRIPTLETS = sum(1 << bit for bit in (5, 6, 7, 9, 10, 11, 12, 13, 20, 21))
_AT_ONCE = 8
_GENERATED = _FIND_REQUIRES | _INTERPRETER | _RPMLIB | _CONFIG
_FLAGS, _NAMES, _VERSIONS = 1048, 1049, 1050
_PROVIDES = (1047, 1112, 1113)
_FILE_DEPENDS, _FILE_DEPENDS_COUNT, _DEPENDS_DICTIONARY = 1143, 1144, 1145
_REQUIRES_LETTER, _PROVIDES_LETTER = ord("R"), ord("P")
# Texts, and what runs them where it is no plain /bin/sh.
_SCRIPTS = {
    "pre": (1023, 1085), "post": (1024, 1086), "preun": (1025, 1087), "postun": (1026, 1088),
    "pretrans": (1151, 1153), "posttrans": (1152, 1154), "preuntrans": (5103, 5105),
    "postuntrans": (5104, 5106),
}  # fmt: skip
_TRIGGERS = ((1065, 1092), (5066, 5067), (5076, 5077))
_SHELL = "/bin/sh"


@dataclass(frozen=True, slots=True)
class OwnedFile:
    """A file of a package, with what rpm's generators found it to need and provide.

    `link` is the target of a symbolic link, else empty; `size` is in bytes, `flags` are rpm's file
    flags.
    """

    path: str
    link: str = ""
    needs: tuple[str, ...] = ()
    provides: tuple[str, ...] = ()
    flags: int = 0
    size: int = 0
    is_directory: bool = False


@dataclass(frozen=True, slots=True)
class Facts:
    """The contents of one header.

    `generated` and `written` are its requirements by origin (one may be both), `at_run_time` those
    that are not only for scriptlets, as keys; `scripts` the text
    of each scriptlet by rpm's name for it, and `files` its files. A scriptlet begins with a line
    of `#!` and its interpreter where that is not /bin/sh alone.
    """

    generated: frozenset[str]
    written: tuple[str, ...] = ()
    at_run_time: frozenset[str] = frozenset()
    scripts: tuple[tuple[str, str], ...] = ()
    files: tuple[OwnedFile, ...] = ()

    def wrote(self, capability: str) -> bool:
        """Return whether no generator made the requirement: it is written by hand only."""
        return capability_key(capability) not in self.generated

    @property
    def scriptlets(self) -> str:
        """The texts of all scriptlets, joined."""
        return "\n".join(text for _, text in self.scripts)


class HeaderFacts:
    """The facts of packages whose headers can be read; each header is read once."""

    def __init__(self, cache: Cache) -> None:
        self.cache = cache
        self._known: dict[Nevra, Facts | None] = {}
        self._lacking = False
        from bot.image.measure import NodocsSizes  # its import takes longer than an advice

        self._nodocs = NodocsSizes(cache, fetch=True)

    def read(self, packages: Iterable[Package]) -> None:
        """Fetch the headers of packages that were not read before."""
        for package in packages:
            if package.nevra not in self._known:
                self._known[package.nevra] = self._read(package)

    def of(self, nevra: Nevra) -> Facts | None:
        """The facts of a package; null where its header was not read or could not be."""
        return self._known.get(nevra)

    @property
    def lacking(self) -> bool:
        """Return whether a remote header could not be fetched; a later try may succeed."""
        return self._lacking

    def wrote(self, nevra: Nevra, capability: str) -> bool | None:
        """Return whether a requirement is written by hand; None where no header was read."""
        facts = self._known.get(nevra)
        return facts.wrote(capability) if facts is not None else None

    def needs_at_run_time(self, nevra: Nevra, capability: str) -> bool | None:
        """Return whether not only scriptlets have a requirement; None where no header was read."""
        facts = self._known.get(nevra)
        return capability_key(capability) in facts.at_run_time if facts is not None else None

    def sized(self, candidates: Candidates, overlays: OverlayPool) -> Candidates:
        """Return the candidates with their sizes without documentation, by their headers."""
        packages = {n: overlays.package(n) for n in candidates.packages}
        with ThreadPoolExecutor(_AT_ONCE) as threads:
            sizes = dict(
                zip(packages, threads.map(self._nodocs.of, packages.values()), strict=True)
            )
        sized = {n: replace(c, nodocs_size=sizes[n]) for n, c in candidates.packages.items()}
        return replace(candidates, packages=sized)

    def _read(self, package: Package) -> Facts | None:
        content = fetch_header(package, self.cache, FEW) if package.location is not None else None
        if content is None:
            self._lacking |= package.location is not None and not local_path(package.location.url)
            return None
        try:
            return facts_in(str(package.nevra), content)
        except RefusedPackageError:
            return None


def facts_in(name: str, content: bytes) -> Facts:
    """Return the facts in the beginning of an RPM file; RefusedPackageError if malformed."""
    _, header, _ = read_headers(name, content)
    required = list(_dependencies(header, _NAMES, _FLAGS, _VERSIONS))
    provided = [text for text, _ in _dependencies(header, *_PROVIDES)]
    generated = {capability_key(text) for text, flags in required if flags & _GENERATED}
    written = (text for text, flags in required if not flags & _GENERATED)
    return Facts(
        frozenset(generated),
        tuple(dict.fromkeys(written)),
        frozenset(capability_key(text) for text, flags in required if not flags & _SCRIPTLETS),
        tuple(_scripts(header)),
        tuple(_files(name, content, header, [text for text, _ in required], provided)),
    )


def _scripts(header: Header) -> Iterator[tuple[str, str]]:
    for name, (tag, interpreter) in _SCRIPTS.items():
        if text := _script(header.text(tag), " ".join(header.texts(interpreter))):
            yield name, text
    for texts, interpreters in _TRIGGERS:
        columns = zip_longest(header.texts(texts), header.texts(interpreters), fillvalue="")
        yield from (("trigger", script) for column in columns if (script := _script(*column)))


def _script(text: str, interpreter: str) -> str:
    return text if interpreter in ("", _SHELL) else f"#!{interpreter}\n{text}"


def _dependencies(
    header: Header, names: int, flags: int, versions: int
) -> Iterator[tuple[str, int]]:
    columns = zip(header.texts(names), header.numbers(flags), header.texts(versions), strict=True)
    for name, flag, version in columns:
        yield capability_text(name, flag, version), flag


def _files(
    name: str, content: bytes, header: Header, required: Sequence[str], provided: Sequence[str]
) -> Iterator[OwnedFile]:
    """Yield the files, each with its own dependencies.

    rpm's FILEDEPENDSX and FILEDEPENDSN give each file a range of DEPENDSDICT, whose entries are a
    letter and an index into the package's list of requirements or provides.
    """
    entries = parse_listing(name, content).files
    starts, counts = header.numbers(_FILE_DEPENDS), header.numbers(_FILE_DEPENDS_COUNT)
    dictionary = header.numbers(_DEPENDS_DICTIONARY)
    if not len(entries) == len(starts) == len(counts):
        starts = counts = (0,) * len(entries)
    for entry, start, count in zip(entries, starts, counts, strict=True):
        own = dictionary[start : start + count]
        yield OwnedFile(
            entry.path,
            entry.link,
            _listed(own, _REQUIRES_LETTER, required),
            _listed(own, _PROVIDES_LETTER, provided),
            entry.flags,
            entry.size,
            entry.is_directory,
        )


def _listed(entries: Iterable[int], letter: int, texts: Sequence[str]) -> tuple[str, ...]:
    places = (entry & 0xFFFFFF for entry in entries if entry >> 24 == letter)
    return tuple(dict.fromkeys(texts[place] for place in places if place < len(texts)))
