"""GitLab as a forge: notes, commit statuses, access levels, where the commits are.

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
    changes_nothing,
    checks_of_commit,
    mark,
    own_pipeline,
    put_in_pipeline,
    put_status,
    status_fields,
)
from bot.forge.gitlab.webhooks import HookSecrets, begin, failed_of_project
from bot.forge.rate_limit import RateLimit
from bot.forge.values import (
    STATUS_NAME,
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
# What a commit that is not ours to mark answers: not there for us, or not for us to write.
_NO_STATUS = (401, 403, 404)
# What a project that is not for us to see answers.
_NOT_FOR_US = (401, 403, 404)


class GitLab(BaseForge):
    """One GitLab (gitlab.com or self-managed) with our token on it."""

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
        HookSecrets.of(tuple(secrets))  # one that cannot be a secret is refused at the start
        api = settings.api_url.removesuffix("/api/v4")
        self._web_url = settings.web_url or api
        self._client = client or GitLabClient(api, token)
        self._people = GitLabPeople()
        self.issues = GitLabIssues(self._client, self._people.own_login)
        self._comments = GitLabComments(self._client, self._people.own_login, self._web_url)
        self._suggestions = GitLabSuggestions(self._client, self._people.own_login)
        # The merge requests' own pipelines that have our statuses of these commits.
        self._pipelines: OrderedDict[tuple[PullRequestKey, str], int] = OrderedDict()

    @classmethod
    def from_settings(cls, name: str, settings: ForgeSettings) -> GitLab:
        """The forge that the settings describe; UsageError if a secret is not there."""
        if settings.token is None:
            raise UsageError(
                f"The forge {name} has no token.", "GitLab needs `token`; `app` is GitHub's."
            )
        secrets = WatchedSecrets(settings.webhook_secrets)
        return cls(name, settings, token=WatchedSecret(settings.token), secrets=secrets)

    def begin(self, headers: Mapping[str, str]) -> Verification:
        """The check of a delivery's body by its signature; of a plain token nothing is left."""
        return begin(HookSecrets.of(tuple(self._secrets)), headers, time.time())

    def read(self, headers: Mapping[str, str], body: bytes) -> NewDelivery:
        """The delivery of a verified body."""
        return read_delivery(self.name, self._web_url, headers, body)

    def event(self, event: str, body: bytes) -> Event:
        """The event of an accepted delivery; the project's id is remembered."""
        data = json.loads(body)
        named = project_of(data)
        if named is not None:
            self._client.projects.learn(*named)
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
        """The files it changes, over all pages; GitLab leaves some out of very large ones."""

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
        """A status in the merge request's own pipeline, else in one of the source branch; where the
        commit (a fork's) takes none, an emoji on the merge request and a line of the comment."""

        def write(client: gitlab.Gitlab) -> str:
            project = self._project(client, key, lazy=True)
            merge = project.mergerequests.get(key.number)
            # A fork's commit has its pipelines, and so its statuses, in the fork.
            source = merge.source_project_id or merge.target_project_id
            foreign = source != merge.target_project_id
            fields = status_fields(report, STATUS_NAME)
            if merge.sha == sha and merge.source_branch:
                fields["ref"] = str(merge.source_branch)
            pipeline = self._pipelines.get((key, sha)) or own_pipeline(merge, sha)
            taken = False
            if pipeline is not None:
                taken = put_in_pipeline(client, merge, sha, fields, pipeline)
                if taken:
                    remember(self._pipelines, (key, sha), pipeline)
            if not taken:
                commit = client.projects.get(source, lazy=True).commits.get(sha, lazy=True)
                taken = _put_on_commit(commit, fields, foreign=foreign)
            if not taken and merge.sha != sha:
                return "old"  # nobody needs to read of it in the comment
            if not taken or self._comments.has_status(key):
                mark(merge, self._people.own_login(client), None if taken else report.state)
            return "set" if taken else "untaken"

        doing = f"setting the status of {sha[:12]} on {key}"
        came = await self._client.ask(doing, write)
        if came == "set":
            self._comments.drop_status(key)
        elif came == "untaken":
            LOG.info("%s: the fork takes no status from us; it goes elsewhere.", key)
            await self._comments.put_status(key, sha, report)

    async def checks_of(self, key: PullRequestKey, sha: str) -> tuple[CommitCheck, ...]:
        """Commit statuses, jobs and pipelines, a fork's too."""

        def read(client: gitlab.Gitlab) -> tuple[CommitCheck, ...]:
            number = self._client.projects.number(client, key.repository)
            return tuple(checks_of_commit(client, number, key.number, sha))

        return await self._client.ask(f"listing the checks of {sha[:12]} on {key}", read)

    async def role_of(self, key: PullRequestKey, user: str) -> Role:
        """The role by access level, inherited memberships and invited groups included."""
        return await self._client.ask(
            f"asking for the role of {user} in {key.repository}",
            lambda client: self._people.role(client, self._project(client, key), user),
        )

    async def pusher_of(self, key: PullRequestKey, sha: str) -> str | None:
        """The author of the push, by the source project's events; else the namespace's path."""

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
        """Return whether `user` is in the group of this path, by itself or by one above it."""
        del key  # one token for all of an instance
        return await self._client.ask(
            f"asking whether {user} is in {group}",
            lambda client: self._people.is_member(client, group, user),
        )

    async def is_bot(self, key: PullRequestKey, user: str) -> bool:
        """Also a service account with a name of its own, of which a note's hook does not say it."""
        del key  # one token for all of an instance
        return await self._client.ask(
            f"asking whether {user} is a bot", lambda client: self._people.is_bot(client, user)
        )

    async def react(self, key: PullRequestKey, comment: str, reaction: Reaction) -> None:
        """An emoji on a note; GitLab refuses a second of the same, so it is looked for first."""

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
        """The project's present path, and our token."""

        def read(client: gitlab.Gitlab) -> str:
            return str(self._client.projects.project(client, repository).path_with_namespace)

        path = await self._client.ask(f"asking where {repository} is", read)
        return path, GitCredential("oauth2", secret_text(self._token))

    async def pull_of(self, repository: str, branch: str, sha: str) -> int | None:
        """The merge request of a commit, an open one too: it is `merged` only after the push."""

        def read(client: gitlab.Gitlab) -> int | None:
            project = self._client.projects.project(client, repository, lazy=True)
            for merge in project.commits.get(sha, lazy=True).merge_requests():
                if merge["state"] != "closed" and merge["target_branch"] == branch:
                    return int(merge["iid"])
            return None

        return await self._client.ask(f"asking whose commit {sha[:12]} of {repository} is", read)

    async def login(self) -> str:
        """The token's user."""
        return await self._client.ask("asking GitLab whose the token is", self._people.own_login)

    async def repositories(self) -> tuple[str, ...]:
        """None: a token's user may be a member where nobody asked for us; hooks tell."""
        return ()

    async def open_pulls(self, repository: str) -> tuple[OpenPull, ...]:
        """The open merge requests, those that were changed last first."""

        def read(client: gitlab.Gitlab) -> tuple[OpenPull, ...]:
            number = self._client.projects.number(client, repository)
            path = f"/projects/{number}/merge_requests"
            query = {"state": "opened", "order_by": "updated_at", "sort": "desc"}
            listed = client.http_list(path, query, iterator=True, per_page=100)
            # None while GitLab makes its commits.
            return tuple(open_pull_of(one) for one in listed if one.get("sha"))

        return await self._client.ask(f"listing the merge requests of {repository}", read)

    async def comments_since(self, key: PullRequestKey, since: str) -> tuple[CommentEvent, ...]:
        """The newest hundred notes, but GitLab's own, internal ones, and those that were edited."""

        def read(client: gitlab.Gitlab) -> tuple[CommentEvent, ...]:
            notes = self._comments.notes(client, key).list(
                page=1, per_page=100, sort="desc", activity_filter="only_comments"
            )
            listed = [note.attributes for note in notes]
            return unedited(key, reversed(listed), since)

        return await self._client.ask(f"listing the comments on {key}", read)

    async def moved(self, repository: str, branch: str, before: str) -> PushEvent | None:
        """By the branch itself, and the project as it is now."""

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

        return await self._client.ask(f"asking where {branch} of {repository} is", read)

    async def failed_deliveries(
        self, repository: str | None, hook: str, since: float
    ) -> tuple[FailedDelivery, ...]:
        """Those of a project's own hooks, where we maintain it."""
        if repository is None:
            return ()

        def read(client: gitlab.Gitlab) -> tuple[FailedDelivery, ...]:
            number = self._client.projects.number(client, repository)
            return tuple(failed_of_project(client, number, hook, since))

        return await self._client.ask(f"listing the failed deliveries of {repository}", read)

    async def send_again(self, delivery: FailedDelivery) -> None:
        """Have a hook called again."""
        await self._client.ask(
            f"having the delivery {delivery.delivery} sent again",
            lambda client: client.http_post(delivery.address),
        )

    def rate_limit(self, repository: str) -> RateLimit:
        """The quota of our token, the same for every project."""
        del repository
        return self._client.rate_limit

    async def close(self) -> None:
        """Ends the threads and connections."""
        await self._client.close()

    def _project(self, client: gitlab.Gitlab, key: PullRequestKey, *, lazy: bool = False) -> Any:
        return self._client.projects.project(client, key.repository, lazy=lazy)


def _put_on_commit(commit: Any, fields: Mapping[str, Any], *, foreign: bool) -> bool:
    """A status that names no pipeline; False where a fork's commit (`foreign`) takes none."""
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
