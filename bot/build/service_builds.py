"""The builds of build services: those that a change's checks link to, and their packages.

Unlike a repository, Koji and Copr have no address that follows from the change, so builds are found
by links. A link counts if it begins with the address of a service in the settings; no other link is
followed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict

from bot.build.listing import ListedPackage
from bot.distro.failover import RetryPolicy
from bot.errors import SurroundingsError

# For one request to a service: the answers are small.
POLICY = RetryPolicy(tries=2, connect=10, read=30, slow=30)
# The number of a change's links that are followed, the newest of each kind.
_MOST_LINKS = 20
_LINK = re.compile(r"https?://[^\s<>()\[\]\"'`]{1,500}")
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


class Answer(BaseModel):
    """A part of a service's answer; other fields are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class BuildFailedElsewhereError(SurroundingsError):
    """A build of a service ended without packages."""


@dataclass(frozen=True, slots=True)
class BuildLinks:
    """The links to builds of a service: of checks of the head commit, and in comments.

    Anybody may write a comment, so a build that only a comment links to counts if the service says
    that it is of the head commit.
    """

    checks: tuple[str, ...] = ()
    comments: tuple[str, ...] = ()


NO_LINKS = BuildLinks()


@dataclass(frozen=True, slots=True)
class ServiceBuild:
    """The build of `commit` to be found at the service called `service`.

    `chroot` and `project` (`owner/name`) are Copr's; the project is used if no check links to a
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
    listed: tuple[ListedPackage, ...]
    page: str = ""


def links_in(texts: Iterable[str], web_url: str) -> tuple[str, ...]:
    """Return the distinct links in texts that begin with a service's address, the last first."""
    links = [link for text in texts for link in _LINK.findall(text)]
    own = [link.rstrip(".,;:") for link in links if link.startswith(f"{web_url}/")]
    return tuple(dict.fromkeys(reversed(own)))[:_MOST_LINKS]


def commit_in(source: str) -> str | None:
    """Return the commit after the `#` of a git source, in lower case; None where there is none."""
    commit = source.rpartition("#")[2].lower()
    return commit if "#" in source and _COMMIT.fullmatch(commit) else None
