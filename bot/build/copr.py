"""Copr's builds: the one that a check links to, its state, and the repository that has it.

The API is that of Copr's frontend below `/api_3` (coprs/views/apiv3_ns), without a log-in. A
chroot's repository is rpm-md and has all builds of a project; the API says which packages are a
build's. Projects in Pulp are below the frontend's PULP_CONTENT_URL: in the settings such a frontend
is a service of its own, with that URL as `files_url`.

copr (PyPI, GPL 2 or later) was weighed in November 2026: for three GETs with JSON it brings four
more packages, no limit of size and none of our proxies.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import urlencode

from pydantic import ValidationError

from bot.build.service_builds import (
    POLICY,
    Answer,
    BuildFailedElsewhereError,
    ServiceBuild,
)
from bot.distro.connections import is_inside
from bot.distro.failover import AbsentError, FetchError, RefusedFileError
from bot.errors import UsageError
from bot.limited.fields import problem
from bot.limits import HUB_ANSWER
from bot.model.nevra import Nevra
from bot.settings.operation import BuildService

_LINKED = re.compile(r"/coprs/(?:g/)?(?:[^/?#]+/[^/?#]+/)?build/(?P<id>[0-9]{1,12})/?(?:[?#]|$)")
_PLAIN = re.compile(r"@?[A-Za-z0-9._+~:-]{1,200}")
# copr_common.enums.StatusEnum: the states that end a build without packages; all others except
# `succeeded` and `forked` are pending.
_ENDED = ("failed", "canceled", "skipped")
_SUCCESSES = ("succeeded", "forked")
# The number of a project's newest builds that are looked at.
_MOST = 20


class _SourcePackage(Answer):
    name: str | None = None
    version: str | None = None


class CoprBuild(Answer):
    """A build of one source package, in a directory of a project."""

    id: int
    state: str
    repo_url: str
    projectname: str
    project_dirname: str
    source_package: _SourcePackage = _SourcePackage()

    def repository(self, chroot: str) -> str:
        """Return the URL of a chroot's repository, with a trailing slash.

        `repo_url` is the project's own directory; a pull request may have one beside it.
        """
        above = self.repo_url.rstrip("/").rpartition("/")[0]
        return f"{above}/{self.project_dirname}/{chroot}/"


class _Builds(Answer):
    items: tuple[CoprBuild, ...]


class _Chroot(Answer):
    state: str


class _Package(Answer):
    name: str
    epoch: int | None = None
    version: str
    release: str
    arch: str


class _Packages(Answer):
    packages: tuple[_Package, ...] = ()


_M = TypeVar("_M", bound=Answer)


@dataclass(frozen=True, slots=True)
class CoprPackages:
    """The packages of a source's build, in the repository at `url`; `page` is the build's page."""

    source: str
    url: str
    nevras: frozenset[Nevra]
    page: str


def find_copr_builds(
    service: BuildService, request: ServiceBuild, sources: Sequence[str]
) -> tuple[CoprPackages, ...]:
    """Return the linked builds of `sources`, or else the newest ones of the project.

    Raises AbsentError while they are pending, BuildFailedElsewhereError where one failed in the
    chroot, UsageError where no chroot is named.
    """
    if not request.chroot:
        raise UsageError("Copr's builds are found by their chroots, and `chroots` has none.")
    packages: dict[str, CoprPackages] = {}
    for build in _builds(service, request):
        source = build.source_package.name
        page = f"{service.web_url}/coprs/build/{build.id}/"
        state = _chroot_state(service, build, request.chroot)
        if state in _ENDED:
            raise BuildFailedElsewhereError(f"Build {page} in {request.chroot}: {state}.")
        if state not in _SUCCESSES:
            raise AbsentError(f"Build {page} in {request.chroot} is {state}.")
        if source is not None and source in sources and source not in packages:
            packages[source] = _packages(service, build, source, request.chroot, page)
    for source in sources:
        if source not in packages:
            raise AbsentError(f"No check links to a build of {source} at {service.web_url}.")
    return tuple(packages.values())


def _builds(service: BuildService, request: ServiceBuild) -> Iterator[CoprBuild]:
    """Yield the builds that checks link to, newest first, or the newest of each source."""
    numbers = {
        int(match["id"])
        for link in request.links.checks
        if link.startswith(f"{service.web_url}/") and (match := _LINKED.search(link))
    }
    for number in sorted(numbers, reverse=True):
        yield _get(service, CoprBuild, f"build/{number}")
    if numbers or not request.project:
        return
    owner, _, project = request.project.partition("/")
    query = {"ownername": owner, "projectname": project, "limit": _MOST}
    sources: set[str | None] = set()
    builds = _get(service, _Builds, "build/list", **query, order="id", order_type="DESC").items
    for build in sorted(builds, key=lambda entry: entry.id, reverse=True):
        if build.source_package.name not in sources:
            sources.add(build.source_package.name)
            yield build


def _chroot_state(service: BuildService, build: CoprBuild, chroot: str) -> str:
    """Return the state of a build in a chroot; the build's own before it has reached any."""
    try:
        query = {"build_id": build.id, "chrootname": chroot}
        return _get(service, _Chroot, "build-chroot/", **query).state
    except AbsentError:
        if build.state in _SUCCESSES:
            raise
        return build.state


def _packages(
    service: BuildService, build: CoprBuild, source: str, chroot: str, page: str
) -> CoprPackages:
    url = build.repository(chroot)
    plain = all(_PLAIN.fullmatch(step) for step in (build.project_dirname, chroot))
    if not plain or not is_inside(url, [service.files_url]):
        raise RefusedFileError(url, f"it is not below {service.files_url}, the service's files_url")
    query = {"build_id": build.id, "chrootname": chroot}
    packages = _get(service, _Packages, "build-chroot/built-packages", **query).packages
    nevras = frozenset(Nevra(p.name, p.epoch or 0, p.version, p.release, p.arch) for p in packages)
    return CoprPackages(source, url, nevras, page)


def _get(service: BuildService, answer: type[_M], path: str, **query: object) -> _M:
    """Return an answer of the API.

    Raises AbsentError where it does not exist, and SurroundingsErrors.
    """
    from bot.distro import http
    from bot.distro.connections import Reach

    url = f"{service.web_url}/api_3/{path}{'?' if query else ''}{urlencode(query)}"
    reach = Reach(places=(f"{service.web_url}/api_3/",))
    try:
        content = http.get(url, HUB_ANSWER, reach=reach, retry_policy=POLICY).content
    except FetchError as error:
        if error.is_absent:
            raise AbsentError(f"{service.web_url} does not have {path} ({url}).") from error
        raise
    try:
        return answer.model_validate_json(content or b"")
    except ValidationError as error:
        raise RefusedFileError(url, f"its answer is not one: {problem(error)}") from error
