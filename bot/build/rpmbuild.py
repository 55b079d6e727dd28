"""The builder `rpmbuild`, in a buildroot of the distribution's own packages, in our sandbox."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from bot.build.build_cache import MoreRequirements
from bot.build.builder import BuildFailed, BuildOutcome, BuildRequest, FailureKind
from bot.build.builders import (
    build_environment,
    failure_message,
    limit_message,
    rpmbuild_command,
    with_enough_memory,
)
from bot.build.buildroot import (
    BUILD_DIRECTORY,
    Buildroots,
    MissingRequirementError,
    buildroot_key,
    remove_tree,
    solve_buildroot,
)
from bot.build.headers import read_headers
from bot.build.prepare import (
    CachingBuilder,
    Options,
    PreparedBuild,
    collect_rpms,
    preface,
    prepare,
)
from bot.build.tree import scratch_directory
from bot.distro.keys import key_urls
from bot.model.package import Package
from bot.sandbox.run import run_sandboxed
from bot.sandbox.values import Bind, Limits, RunResult
from bot.spec.macrofiles import VerifiedFiles
from bot.spec.tree import checkout_paths

if TYPE_CHECKING:
    from bot.distro.cache import Cache

LOG = logging.getLogger(__name__)
# rpmbuild's exit status when %generate_buildrequires needs more packages (rpmbuild(8)).
_MORE_NEEDED = 11
_MOST_ROUNDS = 10
# Seconds that a build waits for the larger slot, behind at most two builds.
LARGER_WAIT = 4 * 3600.0
# $1 is the topdir, the rest rpmbuild's command. rpm makes its own directories, not these.
_START = 'mkdir -p "$1/home" "$1/tmp"; shift; exec "$@"'


class RpmbuildBuilder(CachingBuilder):
    """Builds with the distribution's rpmbuild.

    `jobs` is the number of parallel compilers in a build (default: the machine's processors).
    """

    name = "rpmbuild"

    def __init__(
        self, cache: Cache, *, jobs: int | None = None, **options: Unpack[Options]
    ) -> None:
        super().__init__(cache, **options)
        self._jobs = jobs or os.cpu_count() or 1

    def _buildroots(self, request: BuildRequest) -> Buildroots:
        keys = key_urls(request.document, request.arch)
        return Buildroots(self._cache, VerifiedFiles(self._cache, keys))

    def _outcome(self, request: BuildRequest) -> BuildOutcome:
        prepared = prepare(request, self._sources, self._emulated)
        extra: tuple[str, ...] = ()
        for _ in range(_MOST_ROUNDS):
            packages = solve_buildroot(request.pool, (*prepared.requirements, *extra))
            run = partial(self._run, prepared, packages, extra)
            outcome = self._cached_or(prepared, buildroot_key(packages), run)
            if not isinstance(outcome, MoreRequirements):
                return outcome
            extra = outcome.names
        return BuildFailed(
            "failed",
            f"%generate_buildrequires still needs more packages after {_MOST_ROUNDS} rounds.",
        )

    def _run(
        self, prepared: PreparedBuild, packages: Sequence[Package], extra: tuple[str, ...], key: str
    ) -> BuildOutcome | MoreRequirements:
        """Build, or return the packages that %generate_buildrequires needs besides `extra`."""
        roots = self._buildroots(prepared.request)
        with scratch_directory(self._cache) as scratch, roots.hold(packages) as root:
            rpmbuild = root / "usr/bin/rpmbuild"
            if not (rpmbuild.is_symlink() or rpmbuild.exists()):
                raise MissingRequirementError(
                    "no package in it has /usr/bin/rpmbuild; name the build packages in the"
                    " repository document's base_buildroot_override"
                )
            log = scratch / "build.log"
            log.write_text(preface(prepared, packages, extra))
            if prepared.request.evaluation.generates_requirements:
                requirements = self._more_requirements(prepared, root, scratch, log)
                if isinstance(requirements, RunResult):
                    return self._failure(requirements, self._limits, key, log)
                if set(requirements) != set(extra) and not self._present(
                    prepared, packages, requirements
                ):
                    self._cached.ask_for_more(key, requirements)
                    return MoreRequirements(requirements)
            top = scratch / "build"
            LOG.debug("Building %s (%s)", prepared.request.spec_path, prepared.request.side)
            finished, limits = self._build_within(prepared, root, top, log)
            if finished.returncode != 0 or finished.limit is not None:
                return self._failure(finished, limits, key, log)
            notes = [record for record in prepared.records if "has changed" in record]
            return self._collected(prepared.request, key, top / "RPMS", log, notes)

    def _build_within(
        self, prepared: PreparedBuild, root: Path, top: Path, log: Path
    ) -> tuple[RunResult, Limits]:
        """Build, again with larger limits if out of memory; return the end and the limits."""

        def run(limits: Limits) -> RunResult:
            for directory in _folders(top):
                if directory.exists():
                    remove_tree(directory)
            return self._rpmbuild("-bb", prepared, root, top, log, limits)

        alone = partial(self._cache.lock, "larger-build", LARGER_WAIT)
        return with_enough_memory(run, self._limits, alone)

    def _more_requirements(
        self, prepared: PreparedBuild, root: Path, scratch: Path, log: Path
    ) -> tuple[str, ...] | RunResult:
        """Return the build requirements that the spec generates; or the failure.

        `rpmbuild -br` always ends with status 11 and a source package that lists all of them: with
        --nodeps it does not check whether they are installed; this class does.
        """
        top = scratch / "requirements"
        finished = self._rpmbuild("-br", prepared, root, top, log, self._limits)
        if finished.limit is not None or finished.returncode not in (0, _MORE_NEEDED):
            return finished
        source_packages = collect_rpms(top / "SRPMS", scratch / "srpms")
        remove_tree(top)
        stated = {
            requirement.dependency.capability
            for requirement in prepared.request.evaluation.build_requires
        }
        return tuple(
            dict.fromkeys(
                capability
                for header in read_headers(source_packages)
                for kind, capability, *_ in header.dependencies
                if kind == "requires" and capability not in stated
            )
        )

    @staticmethod
    def _present(
        prepared: PreparedBuild, packages: Sequence[Package], requirements: tuple[str, ...]
    ) -> bool:
        """Return whether the buildroot already has all generated requirements."""
        whole = solve_buildroot(prepared.request.pool, (*prepared.requirements, *requirements))
        return buildroot_key(whole) == buildroot_key(packages)

    def _rpmbuild(
        self, stage: str, prepared: PreparedBuild, root: Path, top: Path, log: Path, limits: Limits
    ) -> RunResult:
        _, var, checkout = _folders(top)
        for directory in (top, var, checkout):
            directory.mkdir(parents=True)
        specs, sources = prepared.folders
        prepared.tree.put_into(checkout / specs, checkout / sources)
        binds = [
            Bind(top, BUILD_DIRECTORY, writable=True),
            Bind(var, "/var/tmp", writable=True),
            Bind(checkout, "/checkout"),
        ]
        command = rpmbuild_command(
            stage,
            os.path.normpath(f"/checkout/{specs}/{prepared.tree.spec_name}"),
            {**prepared.definitions, **checkout_paths(specs, sources)},
            jobs=self._jobs,
            check=prepared.request.check,
        )
        return run_sandboxed(
            ["/bin/sh", "-c", _START, "build", BUILD_DIRECTORY, *command],
            binds=binds,
            limits=limits,
            env=build_environment(self._jobs),
            chdir=checkout_paths(specs, sources)["_specdir"],
            root=root,
            log=log,
        )

    def _failure(self, finished: RunResult, limits: Limits, key: str, log: Path) -> BuildFailed:
        cached = self._cached.failed_log(key, log)
        if finished.limit is not None:
            # Needing more memory than this machine has is no fault of the change.
            kind: FailureKind = "surroundings" if finished.limit == "memory" else "limit"
            return BuildFailed(kind, limit_message(finished, limits), cached)
        output = finished.stdout.decode("utf-8", "replace")
        return BuildFailed("failed", failure_message(finished.returncode, output), cached)


def _folders(top: Path) -> tuple[Path, Path, Path]:
    """Return the directories of one run of rpmbuild: its topdir, its /var/tmp and its checkout."""
    return top, top.with_name(f"{top.name}-var"), top.with_name(f"{top.name}-checkout")
