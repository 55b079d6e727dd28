"""The builds of build services: which one a change's checks link to, and what was found of it.

Koji and Copr have no place that is known by the change alone, as a repository has: their builds are
found by the links to them. A link counts where it begins with the address of a service of the
settings; nothing else that somebody links to is read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from bot.build.listing import Listed
from bot.distro.failover import RetryPolicy
from bot.errors import SurroundingsError

# Of one answer of a service, which says little.
POLICY = RetryPolicy(tries=2, connect=10, read=30, slow=30)
# Links of one change that are looked at, the newest of each kind.
_MOST_LINKS = 20
_LINK = re.compile(r"https?://[^\s<>()\[\]\"'`]{1,500}")
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


class BuildFailedElsewhereError(SurroundingsError):
    """A build of a service ended without packages."""


@dataclass(frozen=True, slots=True)
class BuildLinks:
    """The links to builds of a service: of checks of the head commit, and in comments.

    Anybody may write a comment, so a build that only a comment links to counts where the service
    says that it is of the head commit.
    """

    checks: tuple[str, ...] = ()
    comments: tuple[str, ...] = ()


NO_LINKS = BuildLinks()


@dataclass(frozen=True, slots=True)
class ServiceBuild:
    """The build of `commit` that is looked for at the service called `service`.

    `chroot` and `project` (`owner/name`) are Copr's; a project stands in where no check links to a
    build of it.
    """

    service: str
    commit: str
    links: BuildLinks = NO_LINKS
    chroot: str = ""
    project: str = ""


@dataclass(frozen=True, slots=True)
class FoundPackages:
    """The packages of a build, below `url`; `page` is the build's, empty for a repository."""

    url: str
    listed: tuple[Listed, ...]
    page: str = ""


def links_in(texts: Iterable[str], web_url: str) -> tuple[str, ...]:
    """The links in texts that begin with a service's address, each once, the last first."""
    found = [link for text in texts for link in _LINK.findall(text)]
    own = [link.rstrip(".,;:") for link in found if link.startswith(f"{web_url}/")]
    return tuple(dict.fromkeys(reversed(own)))[:_MOST_LINKS]


def commit_in(source: str) -> str | None:
    """The commit that a source of git names after its `#`, lower case; null where it names none."""
    commit = source.rpartition("#")[2].lower()
    return commit if "#" in source and _COMMIT.fullmatch(commit) else None
