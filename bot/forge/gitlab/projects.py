"""The projects that paths on GitLab lead to.

A project keeps its number when it is renamed or moved, and its old path leads to it for reading
until another takes that path: https://docs.gitlab.com/user/project/repository/#repository-path-changes
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import gitlab

from bot.forge.values import remember

# A worker hears of no hook that says that a path means another project now.
_SECONDS = 600.0


class GitLabProjects:
    """Paths and numbers, those of the newest ones remembered for ten minutes."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._known: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def learn(self, path: str, number: int) -> None:
        """Remember a project's present path, from a hook or an answer."""
        remember(self._known, path, (number, self._clock()))

    def forget(self) -> bool:
        """Forget all projects; return whether any was remembered."""
        known = bool(self._known)
        self._known.clear()
        return known

    def number(self, client: gitlab.Gitlab, path: str) -> int:
        """The number of the project at `path`, requested where it is not known."""
        known = self._known.get(path)
        if known is not None and self._clock() - known[1] < _SECONDS:
            return known[0]
        found = int(client.projects.get(path).id)
        self.learn(path, found)
        return found

    def project(self, client: gitlab.Gitlab, path: str, *, lazy: bool = False) -> Any:
        """The project; `lazy`: as a handle, without a request for the project itself."""
        return client.projects.get(self.number(client, path), lazy=lazy)
