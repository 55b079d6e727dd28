"""Requirements that a package uses, as metadata shows: evidence against edits of them.

By metadata alone a requirement for a name can be any. For some it shows that what is required is
used, so that an edit of them would break the package:

- modules: a package with code of a language requires a package with modules of that language;
- services: a package has files that only the programs of what it requires read, such as the policy
  of a service on the message bus;
- configuration: a package that the image is for requires one that has configuration and none of
  programs, libraries and modules;
- names: a package without files is what it requires;
- accounts: scriptlets require what creates an account.

Only the package's files, or for accounts its scriptlets, show that it does without.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from bot.advice.candidates import Candidates, Need
from bot.advice.contents import Depth
from bot.advice.edits import capability_name
from bot.advice.swaps import files_of, offer_of
from bot.closure.overlay_pool import OverlayPool
from bot.closure.packages import files_in_primary
from bot.model.capability import split_capability

Uses = Mapping[tuple[str, str], Depth]
"""The part of a package that would show that it does without a requirement, for each package name
and capability name."""


@dataclass(frozen=True, slots=True)
class _Language:
    """Requirements of packages with code of a language, and what packages with its modules provide
    or require."""

    code: re.Pattern[str]
    provided: re.Pattern[str]
    required: re.Pattern[str] | None = None


_LANGUAGES = (
    _Language(
        re.compile(r"python\(abi\)$|/usr/(?:bin|libexec)/(?:platform-)?python[\d.]*$"),
        re.compile(r"python[\d.]*dist\(|typelib\("),
        re.compile(r"python\(abi\)$"),
    ),
    _Language(re.compile(r"perl\(|/usr/bin/perl$"), re.compile(r"perl\(")),
    _Language(re.compile(r"ruby\(|rubygem\(|/usr/bin/ruby$"), re.compile(r"rubygem\(")),
    _Language(re.compile(r"npm\(|nodejs\(|/usr/bin/node$"), re.compile(r"npm\(")),
    _Language(
        re.compile(r"php\(|/usr/bin/php$"), re.compile(r"php-(?:composer|autoloader|pear)\(")
    ),
    _Language(
        re.compile(r"lua\(abi\)$|/usr/bin/lua$"), re.compile(r"lua\("), re.compile(r"lua\(abi\)$")
    ),
    _Language(re.compile(r"mvn\("), re.compile(r"mvn\(")),
    _Language(re.compile(r"R\("), re.compile(r"R\(")),
)
# Files of a package, and the programs of what it requires that read them.
_SERVICES = (
    (
        re.compile(r"/dbus-1/(?:system|session)(?:\.d|-services)/|/dbus-1/services/"),
        re.compile(r"/bin/dbus-(?:broker|daemon)$"),
    ),
    (re.compile(r"/polkit-1/actions/"), re.compile(r"/bin/pkaction$")),
    (re.compile(r"^/etc/security/console\.apps/"), re.compile(r"/bin/consolehelper$")),
)
_ACCOUNTS = re.compile(r"/s?bin/(?:useradd|groupadd)$")


def uses_of(overlays: OverlayPool, candidates: Candidates, sources: Collection[str]) -> Uses:
    """Return the requirements among today's packages that metadata shows to be used.

    `sources` are those of the packages that the image is for.
    """
    image = _Image(overlays, candidates, sources)
    uses: dict[tuple[str, str], Depth] = {}
    for need in candidates.needs:
        name = capability_name(need.capability)
        if name is not None and need.package in candidates.now:
            depth = image.depth(need)
            if depth is not None:
                uses[candidates.packages[need.package].nevra.name, name] = depth
    return uses


class _Image:
    """Today's packages, with what metadata knows of each."""

    def __init__(
        self, overlays: OverlayPool, candidates: Candidates, sources: Collection[str]
    ) -> None:
        self._overlays = overlays
        self._candidates = candidates
        self._sources = sources
        self._names: dict[tuple[int, str], frozenset[str]] = {}
        self._met: dict[int, set[int]] = {}
        for need in candidates.needs:
            if need.package in candidates.now:
                self._met.setdefault(need.package, set()).update(self._meeting(need))

    def depth(self, need: Need) -> Depth | None:
        """Return what would show that a requirement is not used; None if metadata shows no use."""
        met = self._meeting(need)
        if not met:
            return None
        if need.scriptlets:
            accounts = any(map(_ACCOUNTS.search, self._programs(self._standing_for(met))))
            return "headers" if accounts else None
        package = need.package
        used = (
            self._is_name(package)
            or any(self._is_module(package, met, language) for language in _LANGUAGES)
            or self._is_service(package, met)
            or self._is_configuration(package, met)
        )
        return "files" if used else None

    def _is_module(self, package: int, met: Iterable[int], language: _Language) -> bool:
        def has_modules(number: int) -> bool:
            required = language.required
            return any(map(language.provided.match, self._of_kind(number, "provides"))) or (
                required is not None and any(map(required.match, self._of_kind(number, "requires")))
            )

        code = any(map(language.code.match, self._of_kind(package, "requires")))
        return code and all(map(has_modules, met))

    def _is_service(self, package: int, met: Iterable[int]) -> bool:
        programs = list(self._programs(self._standing_for(met)))
        return any(
            any(map(readers.search, programs)) and any(map(files.search, self._files(package)))
            for files, readers in _SERVICES
        )

    def _is_configuration(self, package: int, met: Iterable[int]) -> bool:
        if self._candidates.packages[package].source not in self._sources:
            return False
        return all(map(self._only_configures, met))

    def _only_configures(self, number: int) -> bool:
        provided = self._of_kind(number, "provides")
        if f"config({self._candidates.packages[number].nevra.name})" not in provided:
            return False
        offer = offer_of(self._files(number), provided)
        return not (offer.programs or offer.sonames or offer.modules)

    def _is_name(self, number: int) -> bool:
        """Return whether a package has no files: it stands for what it requires."""
        size = self._candidates.packages[number].installed_size
        return size == 0 and not self._files(number)

    def _standing_for(self, numbers: Iterable[int]) -> set[int]:
        """Return packages with those that packages without files require: `dbus` is a name for
        `dbus-broker`."""
        stand_ins: set[int] = set()
        todo = list(numbers)
        while todo:
            number = todo.pop()
            if number not in stand_ins:
                stand_ins.add(number)
                if self._is_name(number):
                    todo += self._met.get(number, ())
        return stand_ins

    def _meeting(self, need: Need) -> set[int]:
        return {n for clause in need.formula for n in clause if n in self._candidates.now}

    def _files(self, number: int) -> Sequence[str]:
        return files_of(self._overlays, [number])[number]

    def _programs(self, numbers: Iterable[int]) -> Iterator[str]:
        """Yield the files in primary.xml: all programs are there, and filelists.xml is not read."""
        for number in numbers:
            overlaid = self._overlays.overlaid(number)
            solvable = self._overlays.pool.id2solvable(number)
            yield from overlaid.files if overlaid is not None else files_in_primary(solvable)

    def _of_kind(self, number: int, kind: str) -> frozenset[str]:
        key = number, kind
        if key not in self._names:
            of_kind = (d for d in self._overlays.package(number).dependencies if d.kind == kind)
            self._names[key] = frozenset(split_capability(d.capability).name for d in of_kind)
        return self._names[key]
