"""Headers of packages: which requirements somebody wrote, and what scriptlets do without a program.

The flags are those of rpm's rpmds.h, the tags those of its rpmtag.h.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from bot.advice.candidates import Candidates
from bot.closure.overlay_pool import OverlayPool
from bot.distro.cache import Cache
from bot.distro.failover import FEW
from bot.distro.packages import fetch_header
from bot.image.measure import NodocsSizes
from bot.image.rpmheader import Header, RefusedPackageError, read_headers
from bot.model.nevra import Nevra
from bot.model.package import Package
from bot.spec.headers import capability_key, capability_text

_FIND_REQUIRES, _INTERPRETER, _RPMLIB, _CONFIG = 1 << 14, 1 << 8, 1 << 24, 1 << 28
_AT_ONCE = 8
_GENERATED = _FIND_REQUIRES | _INTERPRETER | _RPMLIB | _CONFIG
_FLAGS, _NAMES, _VERSIONS = 1048, 1049, 1050
_SCRIPTS = (1023, 1024, 1025, 1026, 1151, 1152)  # pre, post, preun, postun, pretrans, posttrans

_TEST = re.compile(
    r"\b(?:if|elif|test)\b.*(?:-[xefs]\s|command\s+-v|\btype\b|\bwhich\b)|\[\s+-[xefs]\s"
)
_IGNORED = re.compile(r"\|\|\s*(?::|true\b|exit\s+0\b)")
_OPENS, _CLOSES = re.compile(r"(?:^|[;\s])if\s"), re.compile(r"(?:^|[;\s])fi(?:$|[;\s])")


@dataclass(frozen=True, slots=True)
class Facts:
    """Of one header: the requirements that a generator made (also where somebody wrote them too),
    and the text of all scriptlets."""

    generated: frozenset[str]
    scriptlets: str

    def wrote(self, capability: str) -> bool:
        """Return whether the requirement is there because somebody wrote it, and only so."""
        return capability_key(capability) not in self.generated


class HeaderFacts:
    """The facts of packages whose headers can be read; each is read once."""

    def __init__(self, cache: Cache) -> None:
        self.cache = cache
        self._known: dict[Nevra, Facts | None] = {}
        self._nodocs = NodocsSizes(cache, fetch=True)

    def read(self, packages: Iterable[Package]) -> None:
        """Fetches the headers of packages that were not looked at yet."""
        for package in packages:
            if package.nevra not in self._known:
                self._known[package.nevra] = self._read(package)

    def of(self, nevra: Nevra) -> Facts | None:
        """The facts of a package; null where its header was not read or could not be."""
        return self._known.get(nevra)

    def wrote(self, nevra: Nevra, capability: str) -> bool | None:
        """Return whether somebody wrote a requirement; null where no header tells."""
        facts = self._known.get(nevra)
        return facts.wrote(capability) if facts is not None else None

    def sized(self, candidates: Candidates, overlays: OverlayPool) -> Candidates:
        """The candidates with what each installs without documentation, where its header tells."""
        packages = {n: overlays.package(n) for n in candidates.packages}
        with ThreadPoolExecutor(_AT_ONCE) as threads:
            sizes = dict(
                zip(packages, threads.map(self._nodocs.of, packages.values()), strict=True)
            )
        found = {n: replace(c, nodocs_size=sizes[n]) for n, c in candidates.packages.items()}
        return replace(candidates, packages=found)

    def _read(self, package: Package) -> Facts | None:
        content = fetch_header(package, self.cache, FEW) if package.location is not None else None
        if content is None:
            return None
        try:
            _, header, _ = read_headers(str(package.nevra), content)
            return facts_in(header)
        except RefusedPackageError:
            return None


def facts_in(header: Header) -> Facts:
    """The facts of a header; RefusedPackageError where it is broken."""
    entries = zip(
        header.texts(_NAMES), header.numbers(_FLAGS), header.texts(_VERSIONS), strict=True
    )
    generated = {
        capability_key(capability_text(name, flags, version))
        for name, flags, version in entries
        if flags & _GENERATED
    }
    return Facts(frozenset(generated), "\n".join(filter(None, map(header.text, _SCRIPTS))))


def runs_without(scriptlets: str, programs: Collection[str]) -> bool:
    """Return whether scriptlets succeed where programs (paths) are not there.

    They do if each line that speaks of one stands behind a test for a file, or ignores the failure.
    """
    names = "|".join(re.escape(name) for name in sorted({p.rpartition("/")[2] for p in programs}))
    if not names:
        return True
    used = re.compile(rf"(?<![\w.-])(?:{names})(?![\w.-])")
    guards: list[bool] = []
    for line in re.sub(r"\\\n", " ", scriptlets).splitlines():
        text = line.split(" #")[0].strip()
        if text.startswith("#"):
            continue
        tested = _TEST.search(text) is not None
        if _OPENS.search(text):
            guards.append(tested)
        mention = used.search(text)
        if mention and not (
            tested or any(guards) or _IGNORED.search(text, mention.end()) is not None
        ):
            return False
        if _CLOSES.search(text) and guards:
            guards.pop()
    return True
