"""Commits on GitLab.

https://docs.gitlab.com/api/commits/#list-merge-requests-associated-with-a-commit
"""

from __future__ import annotations

from collections.abc import Callable

import gitlab

from bot.forge.gitlab.issues import Ask
from bot.forge.values import Source
from bot.git.mirror import GitCredential


class GitLabCommits:
    """`project` gives the number of a project, `clone_url` is where git is."""

    def __init__(
        self,
        ask: Ask,
        project: Callable[[gitlab.Gitlab, str], int],
        clone_url: str,
        token: str,
    ) -> None:
        self._ask = ask
        self._project = project
        self._clone_url = clone_url
        self._token = token

    async def source(self, repository: str, branch: str) -> Source:
        """The project itself, by its present path."""

        def read(client: gitlab.Gitlab) -> str:
            return str(client.projects.get(self._project(client, repository)).path_with_namespace)

        path = await self._ask(f"asking where {repository} is", read)
        credential = GitCredential("oauth2", self._token)
        return Source(f"{self._clone_url}/{path}.git", credential, (f"refs/heads/{branch}",))

    async def pull_of(self, repository: str, branch: str, sha: str) -> int | None:
        """The merge request of a commit, an open one too: it is `merged` only after the push."""

        def read(client: gitlab.Gitlab) -> int | None:
            project = client.projects.get(self._project(client, repository), lazy=True)
            for merge in project.commits.get(sha, lazy=True).merge_requests():
                if merge["state"] != "closed" and merge["target_branch"] == branch:
                    return int(merge["iid"])
            return None

        return await self._ask(f"asking whose commit {sha[:12]} of {repository} is", read)
