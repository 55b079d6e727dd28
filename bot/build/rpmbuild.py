"""The builder `rpmbuild`: in a buildroot of the distribution's own packages, in our sandbox."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from bot.build.builder import BuildFailed, BuildOutcome, BuildRequest, Built
from bot.build.buildroot import (
    BUILD_DIRECTORY,
    Buildroots,
    MissingRequirementError,
    base_packages,
    buildroot_key,
    remove_tree,
    solve_buildroot,
)
from bot.build.fetch import SourcePolicy, SourceStore
from bot.build.headers import HeaderError, packages_of, read_headers
from bot.build.invocation import (
    BUILD_LIMITS,
    build_environment,
    limit_message,
    rpmbuild_command,
)
from bot.build.kept import KeptBuild, KeptBuilds, MoreRequirements, build_key
from bot.build.overlay import is_debug
from bot.build.sources import SourcesError, wanted_sources
from bot.build.tree import SpecTree, spec_tree
from bot.errors import SurroundingsError
from bot.model import Package
from bot.sandbox import Bind, Finished, Limits, run_sandboxed
from bot.spec.release import placeholder_definitions

if TYPE_CHECKING:
    from bot.distro import Cache

# rpmbuild's exit status when %generate_buildrequires asked for more (rpmbuild(8)).
_MORE_NEEDED = 11
_MOST_ROUNDS = 10
_TAIL_LINES = 30
_FREE = 1024**3  # bytes
# $1 is the topdir, the rest rpmbuild's command. rpm makes its own directories, not these.
_START = 'mkdir -p "$1/home" "$1/tmp"; shift; exec "$@"'


@dataclass(frozen=True, slots=True)
class _Prepared:
    """What does not change between the rounds of one request."""

    request: BuildRequest
    definitions: Mapping[str, str]
    tree: SpecTree
    told: tuple[str, ...]
    requirements: tuple[str, ...]


class RpmbuildBuilder:
    """Builds with the distribution's rpmbuild. One object serves many builds, in many threads.

    `limits` bind each build, `jobs` is how many compilers it may run (default: the machine's
    processors). `policy` says what sources may be. With `rebuild`, kept builds are not used.
    """

    name = "rpmbuild"

    def __init__(
        self,
        cache: Cache,
        *,
        limits: Limits = BUILD_LIMITS,
        jobs: int | None = None,
        policy: SourcePolicy | None = None,
        rebuild: bool = False,
        fetch: Callable[[Package], Path] | None = None,
    ) -> None:
        self._cache = cache
        self._limits = limits
        self._jobs = jobs or os.cpu_count() or 1
        self._sources = SourceStore(cache, policy)
        self._rebuild = rebuild
        self._kept = KeptBuilds(cache)
        self._buildroots = Buildroots(cache, fetch or self._fetch)

    def build(self, request: BuildRequest) -> BuildOutcome:
        """The packages of `request`, from the cache where the same was built before."""
        started = time.monotonic()
        try:
            outcome = self._outcome(request)
        except SourcesError as error:
            outcome = BuildFailed("sources", str(error))
        except MissingRequirementError as error:
            outcome = BuildFailed(
                "missing-requirement",
                f"The buildroot cannot be had: {_with_lines(str(error), request, error.missing)}.",
                missing=error.missing,
            )
        except HeaderError as error:
            outcome = BuildFailed("failed", str(error))
        except SurroundingsError as error:
            outcome = BuildFailed("surroundings", str(error))
        return replace(outcome, seconds=time.monotonic() - started)

    def _fetch(self, package: Package) -> Path:
        from bot.distro import fetch_package

        return fetch_package(package, self._cache)

    def _outcome(self, request: BuildRequest) -> BuildOutcome:
        prepared = self._prepare(request)
        extra: tuple[str, ...] = ()
        for _ in range(_MOST_ROUNDS):
            packages = solve_buildroot(request.pool, (*prepared.requirements, *extra))
            key = build_key(
                self.name,
                prepared.tree.key(),
                buildroot_key(packages),
                prepared.definitions,
                request.arch,
                check=request.check,
            )
            with self._cache.lock(f"build-{key[:40]}"):
                kept = None if self._rebuild else self._kept.get(key)
                if isinstance(kept, KeptBuild):
                    return _built(kept, from_cache=True)
                found = kept or self._run(prepared, packages, extra, key)
            if not isinstance(found, MoreRequirements):
                return found
            extra = found.names
        return BuildFailed(
            "failed", f"%generate_buildrequires is not content after {_MOST_ROUNDS} rounds."
        )

    def _prepare(self, request: BuildRequest) -> _Prepared:
        evaluation = request.evaluation
        wanted = wanted_sources(request.checkout, request.spec_path, evaluation.sources)
        fetched = [
            self._sources.fetch(source, evaluation.source, request.lookaside)
            for source in wanted
            if source.local is None
        ]
        tree = spec_tree(
            request.checkout,
            request.spec_path,
            wanted,
            {source.name: source.path for source in fetched},
            request.spec_text,
        )
        requirements = (
            *base_packages(request.pool, request.document.buildroot_packages),
            *(one.dependency.capability for one in evaluation.build_requires),
        )
        # %autorelease as the evaluation had it, also where the caller had no history to count by.
        release, _ = placeholder_definitions(
            request.checkout / request.spec_path, request.definitions
        )
        return _Prepared(
            request,
            {**release, **request.definitions},
            tree,
            tuple(source.told for source in fetched),
            requirements,
        )

    def _run(
        self, prepared: _Prepared, packages: Sequence[Package], extra: tuple[str, ...], key: str
    ) -> BuildOutcome | MoreRequirements:
        """Builds, or says what %generate_buildrequires asks for besides `extra`."""
        self._require_space()
        with self._scratch() as scratch, self._buildroots.hold(packages) as root:
            if not (root / "usr/bin/rpmbuild").exists():
                raise MissingRequirementError(
                    "no package in it has /usr/bin/rpmbuild; name the build packages in the"
                    " repository document's base_buildroot_override"
                )
            log = scratch / "build.log"
            log.write_text(_preface(prepared, packages, extra))
            if prepared.tree.generates_requirements:
                asked = self._asked(prepared, root, scratch, log)
                if isinstance(asked, Finished):
                    return self._failed(asked, key, log)
                if set(asked) != set(extra) and not self._present(prepared, packages, asked):
                    self._kept.ask_for_more(key, asked)
                    return MoreRequirements(asked)
            top = scratch / "build"
            finished = self._rpmbuild("-bb", prepared, root, top, log)
            if finished.returncode != 0 or finished.limit is not None:
                return self._failed(finished, key, log)
            rpms = [path for path in _collect(top / "RPMS", scratch / "rpms") if _wanted(path)]
            if not rpms:
                return BuildFailed(
                    "failed", "The build made no package.", self._kept.failed_log(key, log)
                )
            made = packages_of(rpms, prepared.request.evaluation.source)
            notes = tuple(told for told in prepared.told if "has changed" in told)
            return _built(self._kept.put(key, made, log, notes), from_cache=False)

    def _asked(
        self, prepared: _Prepared, root: Path, scratch: Path, log: Path
    ) -> tuple[str, ...] | Finished:
        """The build requirements that the spec's own program asks for; or how it failed.

        `rpmbuild -br` always ends with status 11 and a source package that lists all of them:
        with --nodeps it does not look whether they are installed, we do.
        """
        top = scratch / "requirements"
        finished = self._rpmbuild("-br", prepared, root, top, log)
        if finished.limit is not None or finished.returncode not in (0, _MORE_NEEDED):
            return finished
        listed = _collect(top / "SRPMS", scratch / "srpms")
        remove_tree(top)
        stated = {one.dependency.capability for one in prepared.request.evaluation.build_requires}
        return tuple(
            dict.fromkeys(
                capability
                for header in read_headers(listed)
                for kind, capability, _, _ in header["dependencies"]
                if kind == "requires" and capability not in stated
            )
        )

    @staticmethod
    def _present(prepared: _Prepared, packages: Sequence[Package], asked: tuple[str, ...]) -> bool:
        """Whether the buildroot already has all that was asked for."""
        more = solve_buildroot(prepared.request.pool, (*prepared.requirements, *asked))
        return buildroot_key(more) == buildroot_key(packages)

    def _rpmbuild(
        self, stage: str, prepared: _Prepared, root: Path, top: Path, log: Path
    ) -> Finished:
        inputs = top.with_name(f"{top.name}-inputs")
        for directory in (top / "SPECS", top / "SOURCES", top.with_name(f"{top.name}-var"), inputs):
            directory.mkdir(parents=True)
        prepared.tree.put_into(inputs)
        binds = [
            Bind(top, BUILD_DIRECTORY, writable=True),
            Bind(top.with_name(f"{top.name}-var"), "/var/tmp", writable=True),
            Bind(inputs / "SPECS", f"{BUILD_DIRECTORY}/SPECS"),
            Bind(inputs / "SOURCES", f"{BUILD_DIRECTORY}/SOURCES"),
        ]
        command = rpmbuild_command(
            stage,
            prepared.tree.spec_name,
            prepared.definitions,
            jobs=self._jobs,
            check=prepared.request.check,
        )
        return run_sandboxed(
            ["/bin/sh", "-c", _START, "build", BUILD_DIRECTORY, *command],
            binds=binds,
            limits=self._limits,
            env=build_environment(self._jobs),
            chdir=BUILD_DIRECTORY,
            root=root,
            log=log,
        )

    def _failed(self, finished: Finished, key: str, log: Path) -> BuildFailed:
        kept = self._kept.failed_log(key, log)
        if finished.limit is not None:
            return BuildFailed("limit", limit_message(finished, self._limits), kept)
        tail = finished.stdout.decode("utf-8", "replace").splitlines()[-_TAIL_LINES:]
        message = f"rpmbuild ended with status {finished.returncode}. Its last lines:\n"
        return BuildFailed("failed", message + "\n".join(tail), kept)

    def _require_space(self) -> None:
        free = shutil.disk_usage(self._cache.directory("scratch")).free
        if free < _FREE:
            raise SurroundingsError(
                f"The cache's disk has {free} bytes left, too few for a build.",
                "Free some space, or name another directory with --cache.",
            )

    @contextmanager
    def _scratch(self) -> Iterator[Path]:
        directory = Path(tempfile.mkdtemp(prefix="build-", dir=self._cache.directory("scratch")))
        try:
            yield directory
        finally:
            remove_tree(directory)


def _built(kept: KeptBuild, *, from_cache: bool) -> Built:
    return Built(kept.packages, kept.rpms, kept.log, from_cache, 0.0, kept.notes)


def _collect(source: Path, target: Path) -> list[Path]:
    """Moves the RPM files that a build left below `source` into `target`.

    The build could leave anything there: only plain files are taken, no link is followed.
    """
    target.mkdir()
    found = []
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
            found.append(place)
    return sorted(found)


def _mode(path: Path) -> int:
    try:
        return path.lstat().st_mode
    except OSError:
        return 0


def _wanted(rpm: Path) -> bool:
    name = rpm.name.rsplit("-", 2)[0]
    return not is_debug(name) and not rpm.name.endswith((".src.rpm", ".nosrc.rpm"))


def _preface(prepared: _Prepared, packages: Sequence[Package], extra: tuple[str, ...]) -> str:
    """What a reader of the log must know before rpmbuild's own lines."""
    request = prepared.request
    lines = [
        f"# {request.spec_path}, {request.side}, {request.arch}",
        f"# buildroot: {len(packages)} packages of {request.document.id}",
        *(f"# source: {told}" for told in prepared.told),
        *(f"# asked for by %generate_buildrequires: {name}" for name in extra),
    ]
    return "\n".join(lines) + "\n"


def _with_lines(what: str, request: BuildRequest, missing: Sequence[str]) -> str:
    """`what`, with the spec's lines that ask for what is missing."""
    lines = sorted(
        {
            f"{one.origin.path}:{one.origin.line}: {one.origin.text.strip()}"
            for one in request.evaluation.build_requires
            if one.origin is not None and one.dependency.capability in missing
        }
    )
    return f"{what} ({'; '.join(lines)})" if lines else what
