"""Preparation, results and cleaning up for all builders."""

from __future__ import annotations

import os
import stat
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, TypeVar, Unpack

from typing_extensions import TypedDict

from bot.build.build_cache import BuildCache, CachedBuild, MoreRequirements, build_key
from bot.build.builder import NOT_CACHED, BuildFailed, BuildOutcome, BuildRequest, BuiltPackages
from bot.build.builders import build_limits
from bot.build.buildroot import MissingRequirementError, base_packages
from bot.build.fetch import SourcePolicy, SourceStore, wanted_sources
from bot.build.headers import HeaderError, is_debug, packages_of
from bot.build.tree import SpecTree, spec_tree
from bot.errors import SurroundingsError
from bot.locks import BUILD_LIMIT
from bot.model.nevra import parse_nevra
from bot.model.package import Package
from bot.sandbox.emulation import native_architecture, why_not_run
from bot.sandbox.values import Limits
from bot.spec.release import placeholder_definitions
from bot.spec.tree import SourcesError, checkout_paths, source_directory
from bot.telemetry.measures import looked_up, timed

if TYPE_CHECKING:
    from bot.distro.cache import Cache

_Outcome = TypeVar("_Outcome")


@dataclass(frozen=True, slots=True)
class PreparedBuild:
    """A request with its sources fetched.

    `definitions` are the request's and rpmautospec's, `records` sentences on the origin of each
    fetched source, `requirements` those of the buildroot.
    """

    request: BuildRequest
    definitions: Mapping[str, str]
    tree: SpecTree
    records: tuple[str, ...]
    requirements: tuple[str, ...]

    @property
    def folders(self) -> tuple[str, str]:
        """The directories of the spec and of its sources, by their paths in the repository."""
        spec = PurePosixPath(os.path.normpath(self.request.spec_path))
        sources = source_directory(self.request.checkout, str(spec))
        return str(spec.parent), str(sources.relative_to(self.request.checkout))


class Options(TypedDict, total=False):
    """Options of every builder.

    `limits` bind each build, `policy` restricts sources. `rebuild` ignores cached builds;
    `cached_only` uses nothing else. `emulated` are architectures beside this machine's that it may
    build under emulation.
    """

    limits: Limits | None
    policy: SourcePolicy | None
    rebuild: bool
    cached_only: bool
    emulated: Collection[str]


class CachingBuilder(ABC):
    """A builder with a cache. One object serves many builds, in many threads."""

    name: str

    def __init__(self, cache: Cache, **options: Unpack[Options]) -> None:
        self._cache = cache
        self._limits = options.get("limits") or build_limits()
        self._rebuild = options.get("rebuild", False)
        self._cached_only = options.get("cached_only", False)
        self._emulated = options.get("emulated", ())
        self._sources = SourceStore(cache, options.get("policy"), cached_only=self._cached_only)
        self._cached = BuildCache(cache)

    def build(self, request: BuildRequest) -> BuildOutcome:
        """Return the packages of `request`, from the cache if the same was built before."""
        return outcome_of(request, self._outcome)

    @abstractmethod
    def _outcome(self, request: BuildRequest) -> BuildOutcome: ...

    def _cached_or(
        self, prepared: PreparedBuild, buildroot: str, run: Callable[[str], _Outcome]
    ) -> BuiltPackages | BuildFailed | MoreRequirements | _Outcome:
        """Return the cached build for a buildroot's key, or `run` of the build's key."""
        request = prepared.request
        key = build_key(
            self.name,
            prepared.tree.key(),
            buildroot,
            {**prepared.definitions, **checkout_paths(*prepared.folders)},
            request.arch,
            check=request.check,
        )
        if self._cached_only and self._cached.get(key) is None:
            # Nor does it wait for a running build of it.
            return BuildFailed("surroundings", NOT_CACHED)
        with self._cache.lock(f"build-{key[:40]}", BUILD_LIMIT):
            cached = None if self._rebuild else self._cached.get(key)
            looked_up("builds", hit=isinstance(cached, CachedBuild))
            if isinstance(cached, CachedBuild):
                return built_from(cached, from_cache=True)
            if cached is not None:
                return cached
            with timed("build"):
                return run(key)

    def _collected(
        self, request: BuildRequest, key: str, folder: Path, log: Path, notes: Sequence[str]
    ) -> BuildOutcome:
        """Return the packages of a build that left its RPM files below `folder`, now cached."""
        rpms = [path for path in collect_rpms(folder, log.with_name("rpms")) if is_wanted(path)]
        if not rpms:
            cached_log = self._cached.failed_log(key, log)
            return BuildFailed("failed", "The build made no package.", cached_log)
        packages = packages_of(rpms, request.evaluation.source)
        return built_from(self._cached.put(key, packages, log, notes), from_cache=False)


def prepare(
    request: BuildRequest, sources: SourceStore, emulated: Collection[str] = ()
) -> PreparedBuild:
    """Fetch the sources of `request`, read its tree, and determine its buildroot's requirements.

    Raises SourcesError for a source, SurroundingsError for an architecture that is neither this
    machine's nor one of `emulated`, or whose emulation does not work here.
    """
    native = native_architecture()
    if request.arch not in (native, *emulated):
        raise SurroundingsError(
            f"This machine is {native}: it builds nothing for {request.arch}.",
            f"Run a worker on {request.arch}, or allow emulation: `build: {{emulated:"
            f" [{request.arch}]}}` in the server's settings.",
        )
    if request.arch != native and (reason := why_not_run(request.arch)) is not None:
        raise reason
    evaluation = request.evaluation
    source_places = wanted_sources(request.checkout, request.spec_path, evaluation.sources)
    fetched = [
        sources.fetch(source, evaluation.source, request.lookaside)
        for source in source_places
        if source.local is None
    ]
    tree = spec_tree(
        request.checkout,
        request.spec_path,
        source_places,
        {source.name: source.path for source in fetched},
        request.spec_text,
    )
    requirements = (
        *base_packages(request.pool, request.document.base_buildroot_override),
        *(requirement.dependency.capability for requirement in evaluation.build_requires),
    )
    # %autorelease as in the evaluation, also where the caller had no history to count by.
    release, _ = placeholder_definitions(request.checkout / request.spec_path, request.definitions)
    return PreparedBuild(
        request,
        {**release, **request.definitions},
        tree,
        tuple(source.record for source in fetched),
        requirements,
    )


def outcome_of(request: BuildRequest, work: Callable[[BuildRequest], BuildOutcome]) -> BuildOutcome:
    """Return `work(request)`, its errors as BuildFailed, with the seconds that it took."""
    started = time.monotonic()
    try:
        outcome = work(request)
    except SourcesError as error:
        outcome = BuildFailed("sources", str(error))
    except MissingRequirementError as error:
        outcome = BuildFailed(
            "missing-requirement",
            f"The buildroot cannot be solved: {_with_lines(str(error), request, error.missing)}.",
            missing=error.missing,
        )
    except HeaderError as error:
        outcome = BuildFailed("failed", str(error))
    except SurroundingsError as error:
        outcome = BuildFailed("surroundings", str(error))
    return replace(outcome, seconds=time.monotonic() - started)


def built_from(cached: CachedBuild, *, from_cache: bool) -> BuiltPackages:
    """Return the outcome of a cached build; `answered` adds the seconds."""
    return BuiltPackages(cached.packages, cached.rpms, cached.log, from_cache, 0.0, cached.notes)


def preface(prepared: PreparedBuild, packages: Sequence[Package], extra: tuple[str, ...]) -> str:
    """Return the head of the log, before rpmbuild's own lines."""
    request = prepared.request
    lines = [
        f"# {request.spec_path}, {request.side}, {request.arch}",
        f"# buildroot: {len(packages)} packages of {request.document.id}",
        *(f"# source: {record}" for record in prepared.records),
        *(f"# required by %generate_buildrequires: {name}" for name in extra),
    ]
    return "\n".join(lines) + "\n"


def _with_lines(what: str, request: BuildRequest, missing: Sequence[str]) -> str:
    """Return `what` with the spec's lines that require what is missing."""
    origins = (
        requirement.origin
        for requirement in request.evaluation.build_requires
        if requirement.dependency.capability in missing
    )
    lines = sorted({f"{o.path}:{o.line}: {o.text.strip()}" for o in origins if o is not None})
    return f"{what} ({'; '.join(lines)})" if lines else what


def collect_rpms(source: Path, target: Path) -> list[Path]:
    """Move the RPM files that a build left below `source` into `target`.

    The build is untrusted: only plain files are taken, and links are not followed.
    """
    target.mkdir()
    rpms = []
    if not stat.S_ISDIR(_mode(source)):
        return []
    for directory, _, names in os.walk(source):
        for name in sorted(names):
            path = Path(directory) / name
            if not name.endswith(".rpm") or not stat.S_ISREG(_mode(path)):
                continue
            place = target / name
            path.rename(place)
            if os.getuid() == 0:
                os.chown(place, 0, 0)
            place.chmod(0o644)
            rpms.append(place)
    return sorted(rpms)


def is_wanted(rpm: Path) -> bool:
    """Return whether an RPM file is a binary package for an overlay."""
    try:
        nevra = parse_nevra(rpm.name.removesuffix(".rpm"))
    except ValueError:
        return True  # reading its header fails with a better message
    return not is_debug(nevra.name) and nevra.arch not in ("src", "nosrc")


def _mode(path: Path) -> int:
    try:
        return path.lstat().st_mode
    except OSError:
        return 0
