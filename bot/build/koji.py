"""The packages of Koji's builds: of scratch builds, which no repository has, and of others.

The paths of files are those of `koji.PathInfo`. A hub has no checksum of a task's files, so rpm's
own digests are checked instead.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from urllib.parse import quote

from bot.build.headers import is_debug
from bot.build.koji_hub import BUILD_STATES, TASK_STATES, KojiBuild, KojiHub, KojiTask
from bot.build.listing import ListedPackage
from bot.build.service_builds import (
    BuildFailedElsewhereError,
    FoundPackages,
    ServiceBuild,
    commit_in,
)
from bot.distro.failover import AbsentError, RefusedFileError
from bot.limits import BUILT_PACKAGES
from bot.model.architecture import native_arches
from bot.model.nevra import parse_nevra, source_name
from bot.settings.operation import BuildService

_LINKED = re.compile(r"[?&](?P<kind>taskID|buildID)=(?P<id>[0-9]{1,15})\b")
_PLAIN = re.compile(r"[A-Za-z0-9._+~^-]{1,250}")
# States that end a build without packages.
_ENDED = {"failed": "failed", "canceled": "was canceled", "deleted": "was deleted"}


def find_koji_packages(
    service: BuildService, request: ServiceBuild, arch: str, sources: Sequence[str]
) -> FoundPackages:
    """Return the packages of `sources` for `arch` of the linked tasks or builds.

    Raises AbsentError while there are none, BuildFailedElsewhereError where a build failed, another
    SurroundingsError where the hub does not answer.
    """
    hub = KojiHub(service)
    packages_by_source: dict[str, tuple[ListedPackage, ...]] = {}
    page = ""
    for link in _linked(service, request.links.checks) or _comments(hub, request):
        page = page or f"{service.web_url}/{link.page}"
        for source, packages in _packages(hub, link, request.commit, arch).items():
            if source in sources and source not in packages_by_source:
                packages_by_source[source] = packages
    if not page:
        raise AbsentError(f"No check links to a build of {service.web_url}.")
    for source in sources:
        if source not in packages_by_source:
            raise AbsentError(f"{service.web_url} has no packages of {source} for {arch}.")
    return FoundPackages(service.files_url, tuple(chain(*packages_by_source.values())), page)


@dataclass(frozen=True, order=True, slots=True)
class _Link:
    """A link to a task (`taskID`) or a build (`buildID`)."""

    kind: str
    id: int

    @property
    def page(self) -> str:
        """The linked page, relative to the service's address."""
        return f"{self.kind.removesuffix('ID')}info?{self.kind}={self.id}"


def _linked(service: BuildService, links: Iterable[str]) -> list[_Link]:
    """Return the tasks and builds in links, newest first."""
    linked = {
        _Link(match["kind"], int(match["id"]))
        for link in links
        if link.startswith(f"{service.web_url}/") and (match := _LINKED.search(link))
    }
    return sorted(linked, reverse=True)


def _comments(hub: KojiHub, request: ServiceBuild) -> list[_Link]:
    """Return the tasks that comments link to and that the hub says are of the head commit."""
    linked = _linked(hub.service, request.links.comments)
    tasks = [(link, hub.task(link.id)) for link in linked if link.kind == "taskID"]
    return [link for link, task in tasks if task and commit_in(task.source) == request.commit]


def _packages(
    hub: KojiHub, link: _Link, commit: str, arch: str
) -> Mapping[str, tuple[ListedPackage, ...]]:
    """Return the packages of a task or build, by source."""
    if link.kind == "buildID":
        build = hub.build(link.id)
        if build is None:
            raise AbsentError(f"{hub.service.web_url} has no build {link.id}.")
        return _of_build(hub, build, commit, arch)
    task = hub.task(link.id)
    if task is None:
        raise AbsentError(f"{hub.service.web_url} has no task {link.id}.")
    if task.method not in ("build", "buildArch"):
        raise AbsentError(f"Task {task.id} of {hub.service.web_url} builds no package.")
    state, subject = TASK_STATES[task.state], f"Task {task.id} of {hub.service.web_url}"
    _refuse_another_commit(subject, task.source, commit)
    if state in _ENDED:
        why = f": {hub.failure(task)}" if state == "failed" else "."
        raise BuildFailedElsewhereError(f"{subject} {_ENDED[state]}{why}")
    if state != "closed":
        raise AbsentError(f"{subject} is {state}.")
    if task.method == "build" and not task.is_scratch:
        result = hub.build_of(task)
        if result is not None:
            return _of_build(hub, result, commit, arch)
    return _of_task(hub, task, arch)


def _refuse_another_commit(subject: str, source: str, commit: str) -> None:
    built = commit_in(source)
    if built is not None and built != commit:
        raise AbsentError(f"{subject} builds the commit {built}, not {commit}.")


def _of_task(hub: KojiHub, task: KojiTask, arch: str) -> dict[str, tuple[ListedPackage, ...]]:
    """Return the packages of a task for an architecture: of its part for it, else of noarch's."""
    packages: dict[str, tuple[ListedPackage, ...]] = {}
    parts = list(hub.parts(task))
    for label in native_arches(arch):
        for part in parts:
            source_rpm = part.source.rpartition("/")[2]
            source = source_name(source_rpm)
            if (part.label or part.arch) != label or not source or source in packages:
                continue
            files = _listing(hub, _task_files(hub, part), arch, source, source_rpm)
            if not files:
                raise AbsentError(
                    f"{hub.service.web_url} has no packages of task {part.id}; those of scratch"
                    " builds are removed after some days."
                )
            packages[source] = files
    return packages


def _of_build(
    hub: KojiHub, build: KojiBuild, commit: str, arch: str
) -> dict[str, tuple[ListedPackage, ...]]:
    """Return the packages of a build that is no scratch build."""
    state, subject = BUILD_STATES[build.state], f"Build {build.id} of {hub.service.web_url}"
    if state in _ENDED:
        raise BuildFailedElsewhereError(f"{subject} {_ENDED[state]}.")
    if state != "complete":
        raise AbsentError(f"{subject} is {state}.")
    _refuse_another_commit(subject, build.source or "", commit)
    source_rpm = f"{build.name}-{build.version}-{build.release}.src.rpm"
    packages = _listing(hub, _build_files(hub, build), arch, build.name, source_rpm)
    return {build.name: packages} if packages else {}


@dataclass(frozen=True, slots=True)
class _File:
    """A file of the volume `volume`; `size` in bytes, `time` in seconds since 1970."""

    volume: str
    path: str
    size: int
    time: int


def _task_files(hub: KojiHub, task: KojiTask) -> Iterator[_File]:
    """Yield the files of a task, at the paths of `PathInfo.task`."""
    folder = f"work/tasks/{task.id % 10000}/{task.id}"
    for name, volumes in hub.files(task).items():
        for volume, stat in list(volumes.items())[:1]:
            yield _File(volume, f"{folder}/{name}", stat.size, int(stat.time))


def _build_files(hub: KojiHub, build: KojiBuild) -> Iterator[_File]:
    """Yield the packages of a build, at the paths of `PathInfo.build` and `PathInfo.rpm`."""
    folder = f"packages/{build.name}/{build.version}/{build.release}"
    for rpm in hub.rpms(build):
        path = f"{folder}/{rpm.arch}/{rpm.name}-{rpm.version}-{rpm.release}.{rpm.arch}.rpm"
        yield _File(build.volume_name or "DEFAULT", path, rpm.size, rpm.buildtime)


def _listing(
    hub: KojiHub, files: Iterable[_File], arch: str, source: str, source_rpm: str
) -> tuple[ListedPackage, ...]:
    """Return the packages for an architecture among files, without debug packages.

    Epochs are missing: they are not in the files' names but in their headers.
    """
    packages: list[ListedPackage] = []
    for file in files:
        name = file.path.rpartition("/")[2]
        if not name.endswith(".rpm") or name.endswith((".src.rpm", ".nosrc.rpm")):
            continue
        steps = [file.volume, *file.path.split("/")]
        if not all(_PLAIN.fullmatch(step) for step in steps) or {".", ".."} & set(steps):
            raise RefusedFileError(hub.service.files_url, f"{file.path[:200]!a} is no plain path")
        try:
            nevra = parse_nevra(name.removesuffix(".rpm"))
        except ValueError as error:
            raise RefusedFileError(hub.service.files_url, f"{name} names no package") from error
        if nevra.arch in native_arches(arch) and not is_debug(nevra.name):
            # PathInfo.volumedir
            path = file.path if file.volume == "DEFAULT" else f"vol/{file.volume}/{file.path}"
            times = (file.time, file.time)
            packages.append(
                ListedPackage(nevra, source, source_rpm, quote(path), "", "", file.size, *times)
            )
    if len(packages) > BUILT_PACKAGES:
        raise RefusedFileError(hub.service.files_url, f"more than {BUILT_PACKAGES} of {source}")
    return tuple(sorted(packages, key=lambda package: package.nevra))
