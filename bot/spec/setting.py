"""The setting for evaluating a distribution's spec files: macros, `dist`, definitions."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from bot.spec.macrofiles import KeyUrls, MacroPool, VerifiedFiles
from bot.spec.macros import BUILT_IN, MacroFinder, MacroSource
from bot.spec.rpm_version import UNKNOWN_RPM, DistributionRpm, published_rpm

if TYPE_CHECKING:
    from bot.distro.cache import Cache
    from bot.distro.documents import RepositoryDocument
    from bot.distro.snapshot import Snapshot

# `.fc43`, `.el9`, `.el9_4`, `.azl3`; not the `.1` of a plain release.
_DIST = re.compile(r"(\.[a-z]+\d+(?:_\d+)?)(?:\.\d+)?$")
_GHC = re.compile(r"(ghc[\d.]*)-compiler")
_VERSION = re.compile(r"[\w.+~^]+")
_MAJOR = re.compile(r"(\d+)(?:\.\d+)*")


@dataclass(frozen=True, slots=True)
class SpecSetting:
    """`macros`, `definitions` added to them, the distribution's `rpm`, `notes` for the report.

    `defaults` are definitions for macros that `macros` do not define, `versions` those that replace
    macros which would run a program of this host. `finder` finds the macros that a spec file's
    BuildRequires bring; null if there are no others.
    """

    macros: MacroSource = BUILT_IN
    definitions: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    rpm: DistributionRpm = UNKNOWN_RPM
    defaults: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    finder: MacroFinder | None = None


class SettingPool(MacroPool, Protocol):
    """The part of a pool that a setting uses."""

    @property
    def snapshot(self) -> Snapshot:
        """The snapshot that was loaded."""
        ...


def commonest_dist(releases: Iterable[str]) -> str:
    """The commonest suffix of published releases that looks like a `dist`; "" where few have one.

    >>> commonest_dist(["1.el9", "4.el9_4.1", "12.el9"])
    '.el9'
    """
    total = 0
    counts: Counter[str] = Counter()
    for release in releases:
        total += 1
        if (match := _DIST.search(release)) is not None:
            counts[match[1]] += 1
    if not counts:
        return ""
    dist, count = min(counts.items(), key=lambda item: (-item[1], item[0]))
    return dist if count * 4 >= total else ""


def setting_of(
    document: RepositoryDocument,
    pools: Mapping[str, SettingPool],
    cache: Cache,
    *,
    dist: str | None = None,
    extra: Mapping[str, str] | None = None,
    rpm: DistributionRpm | None = None,
) -> SpecSetting:
    """The setting for spec files of a repository document.

    `pools` are its loaded snapshots by architecture. `dist` is from the repository's
    `.minimize.yaml`; else from the document, else the commonest suffix of the published releases.
    `more` are further definitions, by name. `rpm` is the distribution's, with a root if there is
    one; without it the host's evaluates.
    """
    pool = next(iter(pools.values()))
    finder = MacroFinder(
        pools,
        cache,
        VerifiedFiles(cache, _keys(document, pools)),
        buildroot=document.base_buildroot_override,
        name=document.id,
    )
    macros = finder.build_root()
    if dist is None:
        dist = document.dist
    if dist is None:
        dist = _published_dist(pool, cache)
    defaults = distribution_macros(document, dist)
    if not dist and macros.root is None:
        dist = next((f".{name}" for name in defaults if _DIST.fullmatch(f".{name}")), "")
    definitions = {"dist": dist, **(extra or {})}
    if rpm is None:
        rpm = DistributionRpm(published_rpm(pool))
    notes = (*macros.notes, *_without_filelists(pools), *rpm.notes)
    # In a root of its own packages, the distribution's programs run.
    versions = {**python_versions(pool), **ghc_version(pool)} if rpm.root is None else {}
    return SpecSetting(macros, definitions, notes, rpm, defaults, versions, finder)


def python_versions(pool: MacroPool) -> dict[str, str]:
    """The distribution's Python version, as definitions of the macros of python-rpm-macros.

    Those run `%{__python3}`, which here is the host's. If a spec sets that to another interpreter
    (`/usr/bin/python3.12`), its version is used.
    """
    versions = {
        ".".join(nevra.version.split(".")[:2])
        for nevra in pool.selects("python3")
        if nevra.name == "python3"
    }
    if len(versions) != 1:
        return {}
    (version,) = versions
    lua = (
        "%{{lua: local own = rpm.expand('%{{?__python3}}'):match('python(3%.%d+)$');"
        " print(((own or '{version}'):gsub('%.', '{dot}')))}}"
    )
    return {
        "python3_version": lua.format(version=version, dot="."),
        "python3_version_nodots": lua.format(version=version, dot=""),
    }


def ghc_version(pool: MacroPool) -> dict[str, str]:
    """The version of the distribution's Haskell compiler, as a definition of ghc-rpm-macros' macro.

    That runs `ghc --numeric-version`; without a compiler `Requires: ghc-compiler =` remains, which
    rpm refuses. A spec may choose another compiler by `%ghc_name` (`ghc9.4`), or a version by
    `%ghc_version_override`.
    """
    versions = {
        match[1]: nevra.version
        for nevra in pool.selects("ghc*-compiler")
        if (match := _GHC.fullmatch(nevra.name)) and _VERSION.fullmatch(nevra.version)
    }
    if not versions:
        return {}
    table = ", ".join(f"['{name}'] = '{versions[name]}'" for name in sorted(versions))
    lua = (
        f"%{{lua: local known = {{{table}}};"
        " local own = rpm.expand('%{?ghc_version_override}');"
        " print(own ~= '' and own or known[rpm.expand('%{!?ghc_name:ghc}%{?ghc_name}')] or '')}"
    )
    return {"ghc_version": lua}


def _without_filelists(pools: Mapping[str, SettingPool]) -> tuple[str, ...]:
    """A sentence for each repository without file lists, whose macro packages cannot be found."""
    return tuple(
        f"Macro packages of the repository {repository} are not used: it has no filelists.xml."
        for repository in sorted(
            {
                source.id
                for pool in pools.values()
                for source in pool.snapshot.repositories
                if source.record("primary") is not None and source.record("filelists") is None
            }
        )
    )


def _keys(document: RepositoryDocument, arches: Iterable[str]) -> KeyUrls:
    """The URLs of the keys of each repository; of all architectures together."""
    from bot.distro.keys import key_urls

    urls_of: dict[str, dict[str, None]] = {}
    for arch in arches:
        for repository, urls in key_urls(document, arch).items():
            urls_of.setdefault(repository, {}).update(dict.fromkeys(urls))
    return {repository: tuple(urls) for repository, urls in urls_of.items()}


def distribution_macros(document: RepositoryDocument, dist: str) -> dict[str, str]:
    """The macros that identify the distribution in spec files, as far as its document states them.

    `%fedora`, `%rhel`, `%centos`, with `%fc43` or `%el9`, as the packages fedora-release-common and
    centos-stream-release define them in macros.dist. They are used if no package of the
    distribution defines them.
    """
    words = f"{document.id} {document.name}".lower()
    platform = (document.module_platform or "").partition(":")[2]
    tags = [dist.lstrip(".").partition("_")[0], platform]
    macros: dict[str, str] = {}
    if number := _numbered(tags, "fc", "f") or _version(document, words, "fedora"):
        macros |= {"fedora": number, f"fc{number}": "1"}
    elif number := _numbered(tags, "eln"):
        macros |= {"eln": number}
    elif number := _numbered(tags, "el") or _version(document, words, "rhel", "centos", "ubi"):
        macros |= {"rhel": number, f"el{number}": "1"}
        if "centos" in words:
            macros |= {"centos": number, "centos_ver": number}
    return macros


def _numbered(tags: Iterable[str], *prefixes: str) -> str | None:
    """The number of the first tag made of one of these prefixes and a number."""
    for tag in tags:
        for prefix in prefixes:
            if tag.startswith(prefix) and tag[len(prefix) :].isdigit():
                return tag[len(prefix) :]
    return None


def _version(document: RepositoryDocument, words: str, *names: str) -> str | None:
    """The major version of the release, if the document's id or name has one of `names`."""
    match = _MAJOR.fullmatch(str(document.releasever))
    return match[1] if match is not None and any(name in words for name in names) else None


def _published_dist(pool: SettingPool, cache: Cache) -> str:
    """The commonest `dist` of a snapshot, cached."""
    name = hashlib.sha256(pool.snapshot.id.encode()).hexdigest()
    place = cache.addressed("dist", name)
    try:
        return place.read_text()
    except OSError:
        dist = commonest_dist(nevra.release for nevra in pool.selects("*"))
        cache.write(place, dist.encode())
        return dist
