"""GitLab as a forge: notes, commit statuses, access levels, sources of commits.

https://docs.gitlab.com/api/merge_requests/, /api/notes/, /api/commits/#commit-status, /api/members/
"""

from __future__ import annotations

import json
import logging
import time
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

import gitlab
from gitlab.exceptions import GitlabCreateError, GitlabGetError, GitlabHttpError

from bot.errors import UsageError
from bot.forge.base import BaseForge
from bot.forge.bodies import Verification
from bot.forge.events import CommentEvent, Event, PushEvent
from bot.forge.gitlab.client import GitLabClient, open_pull_of, path_of, pull_request_of
from bot.forge.gitlab.comments import GitLabComments, GitLabIssues, GitLabSuggestions
from bot.forge.gitlab.events import parse_event, project_of, push_of, read_delivery, unedited
from bot.forge.gitlab.members import GitLabPeople, pusher
from bot.forge.gitlab.status import (
    DESCRIPTION,
    changes_nothing,
    checks_of_commit,
    mark,
    own_pipeline,
    put_in_pipeline,
    put_status,
)
from bot.forge.gitlab.webhooks import HookSecrets, begin, failed_of_project
from bot.forge.rate_limit import RateLimit
from bot.forge.values import (
    CommitCheck,
    FailedDelivery,
    ForgeFile,
    OpenPull,
    PullRequest,
    PullRequestKey,
    Reaction,
    Role,
    StatusReport,
    remember,
    status_fields,
)
from bot.git.mirror import GitCredential
from bot.settings.forges import ForgeSettings, Secret, WatchedSecret, WatchedSecrets, secret_text
from bot.store.records import NewDelivery

LOG = logging.getLogger(__name__)
_EMOJI: Mapping[Reaction, str] = {
    "eyes": "eyes",
    "+1": "thumbsup",
    "-1": "thumbsdown",
    "confused": "confused",
}
# Answers for a commit that is not visible or not writable to the bot.
_NO_STATUS = (401, 403, 404)
# Answers for a project that is not visible to the bot.
_NOT_FOR_US = (401, 403, 404)


class GitLab(BaseForge):
    """A GitLab (gitlab.com or self-managed), used with a token."""

    head_ref = "refs/merge-requests/{number}/head"
    _comments: GitLabComments

    def __init__(
        self,
        name: str,
        settings: ForgeSettings,
        *,
        token: Secret,
        secrets: Iterable[str],
        client: GitLabClient | None = None,
    ) -> None:
        super().__init__(name, settings)
        self._token = token
        self._secrets = secrets
        HookSecrets.of(tuple(secrets))  # an invalid secret is refused at the start
        api = settings.api_url.removesuffix("/api/v4")
        self._web_url = settings.web_url or api
        self._client = client or GitLabClient(api, token)
        self._people = GitLabPeople()
        self.issues = GitLabIssues(self._client, self._people.own_login)
        self._comments = GitLabComments(self._client, self._people.own_login, self._web_url)
        self._suggestions = GitLabSuggestions(self._client, self._people.own_login)
        # The merge request pipelines that have the bot's statuses of these commits.
        self._pipelines: OrderedDict[tuple[PullRequestKey, str], int] = OrderedDict()

    @classmethod
    def from_settings(cls, name: str, settings: ForgeSettings) -> GitLab:
        """The forge that the settings describe; UsageError if a secret cannot be read."""
        if settings.token is None:
            raise UsageError(
                f"The forge {name} has no token.", "GitLab needs `token`; `app` is GitHub's."
            )
        secrets = WatchedSecrets(settings.webhook_secrets)
        return cls(name, settings, token=WatchedSecret(settings.token), secrets=secrets)

    def begin(self, headers: Mapping[str, str]) -> Verification:
        """The check of a delivery's body by its signature; a plain token is checked at once."""
        return begin(HookSecrets.of(tuple(self._secrets)), headers, time.time())

    def read(self, headers: Mapping[str, str], body: bytes) -> NewDelivery:
        """The delivery of a verified body."""
        return read_delivery(self.name, self._web_url, headers, body)

    def event(self, event: str, body: bytes) -> Event:
        """The event of an accepted delivery; the project's id is remembered."""
        data = json.loads(body)
        project = project_of(data)
        if project is not None:
            self._client.projects.learn(*project)
        return parse_event(self.name, event, data)

    async def pull_request(self, key: PullRequestKey) -> PullRequest:
        """The merge request as it is now."""

        def read(client: gitlab.Gitlab) -> PullRequest:
            project = self._project(client, key)
            merge = project.mergerequests.get(key.number)
            is_bot = self._people.is_bots(client, merge.author)
            return pull_request_of(client, project, merge, key, is_bot)

        return await self._client.ask(f"reading {key}", read)

    async def changed_files(self, key: PullRequestKey) -> tuple[ForgeFile, ...]:
        """The files that it changes, over all pages; GitLab omits some of very large ones."""

        def read(client: gitlab.Gitlab) -> tuple[ForgeFile, ...]:
            number = self._client.projects.number(client, key.repository)
            path = f"/projects/{number}/merge_requests/{key.number}/diffs"
            return tuple(
                ForgeFile(
                    str(item["new_path"]),
                    str(item["old_path"]) if item.get("renamed_file") else None,
                )
                for item in client.http_list(path, iterator=True, per_page=100)
            )

        return await self._client.ask(f"listing the files of {key}", read)

    async def set_status(self, key: PullRequestKey, sha: str, report: StatusReport) -> None:
        """Set a status in the merge request's own pipeline, else in one of the source branch; if a
        fork's commit takes none, an emoji on the merge request and a line in the comment."""

        def write(client: gitlab.Gitlab) -> str:
            project = self._project(client, key, lazy=True)
            merge = project.mergerequests.get(key.number)
            # The pipelines of a fork's commit, and so its statuses, are in the fork.
            source = merge.source_project_id or merge.target_project_id
            foreign = source != merge.target_project_id
            fields = status_fields(report, "name", DESCRIPTION)
            if report.state == "failure":
                fields["state"] = "failed"
            if merge.sha == sha and merge.source_branch:
                fields["ref"] = str(merge.source_branch)
            pipeline = self._pipelines.get((key, sha)) or own_pipeline(merge, sha)
            is_set = False
            if pipeline is not None:
                is_set = put_in_pipeline(client, merge, sha, fields, pipeline)
                if is_set:
                    remember(self._pipelines, (key, sha), pipeline)
            if not is_set:
                commit = client.projects.get(source, lazy=True).commits.get(sha, lazy=True)
                is_set = _put_on_commit(commit, fields, foreign=foreign)
            if not is_set and merge.sha != sha:
                return "old"  # the comment need not have it
            if not is_set or self._comments.has_status(key):
                mark(merge, self._people.own_login(client), None if is_set else report.state)
            return "set" if is_set else "untaken"

        doing = f"setting the status of {sha[:12]} on {key}"
        outcome = await self._client.ask(doing, write)
        if outcome == "set":
            self._comments.drop_status(key)
        elif outcome == "untaken":
            LOG.info("%s: the fork takes no status; it is put on the merge request.", key)
            await self._comments.put_status(key, sha, report)

    async def checks_of(self, key: PullRequestKey, sha: str) -> tuple[CommitCheck, ...]:
        """The commit statuses, jobs and pipelines, including a fork's."""

        def read(client: gitlab.Gitlab) -> tuple[CommitCheck, ...]:
            number = self._client.projects.number(client, key.repository)
            return tuple(checks_of_commit(client, number, key.number, sha))

        return await self._client.ask(f"listing the checks of {sha[:12]} on {key}", read)

    async def role_of(self, key: PullRequestKey, user: str) -> Role:
        """The role by access level, including inherited memberships and invited groups."""
        return await self._client.ask(
            f"asking for the role of {user} in {key.repository}",
            lambda client: self._people.role(client, self._project(client, key), user),
        )

    async def pusher_of(self, key: PullRequestKey, sha: str) -> str | None:
        """The author of the push, by the source project's events, else its namespace's path."""

        def read(client: gitlab.Gitlab) -> str | None:
            project = self._project(client, key)
            merge = project.mergerequests.get(key.number)
            source = merge.source_project_id
            if source is not None and (name := pusher(client, source, merge.source_branch, sha)):
                return name
            path = path_of(client, source, project, key)
            return None if path == key.repository else (path or "ghost").partition("/")[0]

        return await self._client.ask(f"asking who pushed {sha[:12]} of {key}", read)

    async def is_member(self, key: PullRequestKey, group: str, user: str) -> bool:
        """Return whether `user` is in the group with this path, directly or by a parent group."""
        del key  # not by repository: the token is the instance's
        return await self._client.ask(
            f"asking whether {user} is in {group}",
            lambda client: self._people.is_member(client, group, user),
        )

    async def is_bot(self, key: PullRequestKey, user: str) -> bool:
        """Decide by the name and the account: a service account may have any name."""
        del key  # not by repository: the token is the instance's
        return await self._client.ask(
            f"asking whether {user} is a bot", lambda client: self._people.is_bot(client, user)
        )

    async def react(self, key: PullRequestKey, comment: str, reaction: Reaction) -> None:
        """Put an emoji on a note unless it is there: GitLab refuses duplicates."""

        def write(client: gitlab.Gitlab) -> None:
            login = self._people.own_login(client)
            name = _EMOJI[reaction]
            note = self._comments.notes(client, key).get(int(comment), lazy=True)
            for award in note.awardemojis.list(iterator=True):
                if award.name == name and award.user["username"] == login:
                    return
            note.awardemojis.create({"name": name})

        await self._client.ask(f"reacting on {key}", write)

    async def _clone(self, repository: str) -> tuple[str, GitCredential]:
        """The project's current path, and the token."""

        def read(client: gitlab.Gitlab) -> str:
            return str(self._client.projects.project(client, repository).path_with_namespace)

        path = await self._client.ask(f"asking for the project {repository}", read)
        return path, GitCredential("oauth2", secret_text(self._token))

    async def pull_of(self, repository: str, branch: str, sha: str) -> int | None:
        """The merge request of a commit, an open one too: it is `merged` only after the push."""

        def read(client: gitlab.Gitlab) -> int | None:
            project = self._client.projects.project(client, repository, lazy=True)
            for merge in project.commits.get(sha, lazy=True).merge_requests():
                if merge["state"] != "closed" and merge["target_branch"] == branch:
                    return int(merge["iid"])
            return None

        return await self._client.ask(
            f"asking for the merge request of {sha[:12]} of {repository}", read
        )

    async def login(self) -> str:
        """The token's user."""
        return await self._client.ask("asking GitLab for the token's user", self._people.own_login)

    async def repositories(self) -> tuple[str, ...]:
        """No repositories: the user may be in others; webhooks name those that are served."""
        return ()

    async def open_pulls(self, repository: str) -> tuple[OpenPull, ...]:
        """The open merge requests, the most recently changed first."""

        def read(client: gitlab.Gitlab) -> tuple[OpenPull, ...]:
            number = self._client.projects.number(client, repository)
            path = f"/projects/{number}/merge_requests"
            query = {"state": "opened", "order_by": "updated_at", "sort": "desc"}
            merges = client.http_list(path, query, iterator=True, per_page=100)
            # Null while GitLab prepares its commits.
            return tuple(open_pull_of(merge) for merge in merges if merge.get("sha"))

        return await self._client.ask(f"listing the merge requests of {repository}", read)

    async def comments_since(self, key: PullRequestKey, since: str) -> tuple[CommentEvent, ...]:
        """The newest hundred notes, except system notes, internal ones, and edited ones."""

        def read(client: gitlab.Gitlab) -> tuple[CommentEvent, ...]:
            notes = self._comments.notes(client, key).list(
                page=1, per_page=100, sort="desc", activity_filter="only_comments"
            )
            attributes = [note.attributes for note in notes]
            return unedited(key, reversed(attributes), since)

        return await self._client.ask(f"listing the comments on {key}", read)

    async def moved(self, repository: str, branch: str, before: str) -> PushEvent | None:
        """The move of a branch, by its current tip."""

        def read(client: gitlab.Gitlab) -> PushEvent | None:
            project = self._client.projects.project(client, repository)
            try:
                after = str(project.branches.get(branch).commit["id"])
            except GitlabGetError as error:
                if error.response_code != HTTPStatus.NOT_FOUND:
                    raise
                return None
            if after == before:
                return None
            return push_of(self.name, project.attributes, branch, before, after)

        return await self._client.ask(f"asking for the tip of {branch} of {repository}", read)

    async def failed_deliveries(
        self, repository: str | None, hook: str, since: float
    ) -> tuple[FailedDelivery, ...]:
        """The failed deliveries of a project's own hooks, if the token's user is its maintainer."""
        if repository is None:
            return ()

        def read(client: gitlab.Gitlab) -> tuple[FailedDelivery, ...]:
            number = self._client.projects.number(client, repository)
            return tuple(failed_of_project(client, number, hook, since))

        return await self._client.ask(f"listing the failed deliveries of {repository}", read)

    async def send_again(self, delivery: FailedDelivery) -> None:
        """Request another attempt at a delivery."""
        await self._client.ask(
            f"having the delivery {delivery.delivery} sent again",
            lambda client: client.http_post(delivery.address),
        )

    def rate_limit(self, repository: str) -> RateLimit:
        """The rate limit of the token, the same for every project."""
        del repository
        return self._client.rate_limit

    async def close(self) -> None:
        """End the threads and connections."""
        await self._client.close()

    def _project(self, client: gitlab.Gitlab, key: PullRequestKey, *, lazy: bool = False) -> Any:
        return self._client.projects.project(client, key.repository, lazy=lazy)


def _put_on_commit(commit: Any, fields: Mapping[str, Any], *, foreign: bool) -> bool:
    """Set a status without a pipeline; return False if a fork's commit (`foreign`) takes none."""
    try:
        put_status(commit, fields)
    except (GitlabGetError, GitlabCreateError, GitlabHttpError) as error:
        if changes_nothing(error):
            return True
        if not (foreign and error.response_code in _NO_STATUS):
            raise
        return False
    return True


open_forge = GitLab.from_settings
