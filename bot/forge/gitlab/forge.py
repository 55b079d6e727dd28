"""GitLab as a forge: notes, commit statuses, access levels, where the commits are.

https://docs.gitlab.com/api/merge_requests/, /api/notes/, /api/commits/#commit-status, /api/members/
"""

from __future__ import annotations

import json
import logging
import re
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import gitlab
from gitlab.exceptions import GitlabCreateError, GitlabGetError, GitlabHttpError

from bot.errors import UsageError
from bot.forge.events import Event
from bot.forge.gitlab.checks import checks_of_commit
from bot.forge.gitlab.client import GitLabClient
from bot.forge.gitlab.commits import GitLabCommits
from bot.forge.gitlab.events import accept, parse_event, project_of
from bot.forge.gitlab.forks import mark, put_in_pipeline, put_status
from bot.forge.gitlab.issues import GitLabIssues
from bot.forge.gitlab.members import GitLabPeople
from bot.forge.gitlab.merge_requests import pull_request_of
from bot.forge.gitlab.projects import GitLabProjects
from bot.forge.gitlab.signatures import HookSecrets
from bot.forge.gitlab.status import (
    ALONE,
    concludes,
    of_comment,
    status_fields,
    with_status,
)
from bot.forge.values import (
    STATUS_NAME,
    Comment,
    CommitCheck,
    ForgeFile,
    ForgeGoneError,
    PullRequest,
    PullRequestKey,
    Reaction,
    Role,
    Source,
    StatusReport,
    remember,
)
from bot.git.mirror import GitCredential
from bot.report.render import COMMENT_MARKER
from bot.settings.forges import ForgeSettings
from bot.store.deliveries import NewDelivery

LOG = logging.getLogger(__name__)
T = TypeVar("T")
_EMOJI: Mapping[Reaction, str] = {
    "eyes": "eyes",
    "+1": "thumbsup",
    "-1": "thumbsdown",
    "confused": "confused",
}
# What a commit that is not ours to mark answers: not there for us, or not for us to write.
_NO_STATUS = (401, 403, 404)
_NOT_FOUND = 404
# A status that changes nothing, because the commit has it already, is refused in these words.
_SAME_STATE = re.compile(r"cannot transition status", re.IGNORECASE)


class GitLab:
    """One GitLab (gitlab.com or self-managed) with our token on it."""

    def __init__(
        self,
        name: str,
        settings: ForgeSettings,
        *,
        token: str,
        secrets: tuple[str, ...],
        client: GitLabClient | None = None,
    ) -> None:
        self._name = name
        self._settings = settings
        self._token = token
        self._secrets = HookSecrets.of(secrets)
        api = settings.api_url.removesuffix("/api/v4")
        self._web_url = settings.web_url or api
        self._client = client or GitLabClient(api, token)
        self._people = GitLabPeople()
        self._projects = GitLabProjects()
        number = self._projects.number
        self.commits = GitLabCommits(self._ask, number, settings.clone_url, token)
        self.issues = GitLabIssues(self._ask, number, self._people.own_login)
        # Statuses that a fork's commit could not take, for the comment that is still to come.
        self._untaken: OrderedDict[PullRequestKey, tuple[str, StatusReport]] = OrderedDict()

    @classmethod
    def from_settings(cls, name: str, settings: ForgeSettings) -> GitLab:
        """The forge that the settings describe; UsageError if a secret is not there."""
        if settings.token is None:
            raise UsageError(
                f"The forge {name} has no token.", "GitLab needs `token`; `app` is GitHub's."
            )
        secrets = tuple(secret.value() for secret in settings.webhook_secrets)
        return cls(name, settings, token=settings.token.value(), secrets=secrets)

    @property
    def name(self) -> str:
        """The name of the forge in the settings."""
        return self._name

    def accept(self, headers: Mapping[str, str], body: bytes) -> NewDelivery:
        """The delivery, if it bears one of the secrets and is what it says."""
        return accept(self._name, self._secrets, self._web_url, headers, body, time.time())

    def event(self, event: str, body: bytes) -> Event:
        """The event of an accepted delivery; the project's id is remembered."""
        data = json.loads(body)
        named = project_of(data)
        if named is not None:
            self._projects.learn(*named)
        return parse_event(self._name, event, data)

    async def pull_request(self, key: PullRequestKey) -> PullRequest:
        """The merge request as it is now."""

        def read(client: gitlab.Gitlab) -> PullRequest:
            project = self._project(client, key)
            merge = project.mergerequests.get(key.number)
            is_bot = self._people.is_bots(client, merge.author)
            return pull_request_of(client, project, merge, key, is_bot)

        return await self._ask(f"reading {key}", read)

    async def changed_files(self, key: PullRequestKey) -> tuple[ForgeFile, ...]:
        """The files it changes, over all pages; GitLab leaves some out of very large ones."""

        def read(client: gitlab.Gitlab) -> tuple[ForgeFile, ...]:
            number = self._projects.number(client, key.repository)
            path = f"/projects/{number}/merge_requests/{key.number}/diffs"
            return tuple(
                ForgeFile(
                    str(item["new_path"]),
                    str(item["old_path"]) if item.get("renamed_file") else None,
                )
                for item in client.http_list(path, iterator=True, per_page=100)
            )

        return await self._ask(f"listing the files of {key}", read)

    async def find_comment(self, key: PullRequestKey, marker: str) -> Comment | None:
        """Our oldest note with `marker`; other people's are never ours, whatever they hold."""

        def read(client: gitlab.Gitlab) -> Comment | None:
            found = self._own_notes(client, key, marker)
            return _comment(found[0], key, self._web_url) if found else None

        return await self._ask(f"looking for the comment on {key}", read)

    async def put_comment(self, key: PullRequestKey, marker: str, body: str) -> Comment:
        """Edits our note, or writes it where there is none; one that came twice goes again."""
        if marker not in body:
            raise ValueError("the comment does not hold its own marker")

        def look(client: gitlab.Gitlab) -> list[Any]:
            return self._own_notes(client, key, marker)

        def create(client: gitlab.Gitlab) -> None:
            notes = self._notes(client, key)
            notes.create({"body": with_status(body, self._untaken.get(key), None)})

        def settle(client: gitlab.Gitlab) -> Comment:
            # Two runs may have looked at the same moment: the oldest note stays, with this text.
            first, *surplus = self._own_notes(client, key, marker)
            for note in surplus:
                _delete(note)
            wanted = with_status(body, self._untaken.get(key), of_comment(first.body))
            if first.body != wanted:
                first.body = wanted
                first.save()
            return _comment(first, key, self._web_url)

        doing = f"commenting on {key}"
        if not await self._ask(doing, look):
            # It may have been written although the answer was lost: not again without looking.
            await self._ask(doing, create, again=False)
        # No second try here: whoever waited must look at the head again before writing its text.
        return await self._client.ask(doing, settle, attempts=1)

    async def set_status(self, key: PullRequestKey, sha: str, report: StatusReport) -> None:
        """A commit status; where the commit (a fork's) takes none, the merge request's own pipeline
        in the target project, else an emoji on it and a line of the comment (`gitlab_forks`)."""

        def write(client: gitlab.Gitlab) -> str:
            project = self._project(client, key, lazy=True)
            merge = project.mergerequests.get(key.number)
            # A fork's commit has its pipelines, and so its statuses, in the fork.
            source = merge.source_project_id or merge.target_project_id
            foreign = source != merge.target_project_id
            fields = status_fields(report, STATUS_NAME)
            if merge.sha == sha and merge.source_branch:
                fields["ref"] = str(merge.source_branch)
            commit = client.projects.get(source, lazy=True).commits.get(sha, lazy=True)
            taken = True
            try:
                put_status(commit, fields, only_open=report.only_open)
            except (GitlabGetError, GitlabCreateError, GitlabHttpError) as error:
                taken = _SAME_STATE.search(str(error)) is not None
                if not taken and not (foreign and error.response_code in _NO_STATUS):
                    raise
            if not taken and merge.sha != sha:
                return "old"  # nobody needs to read of it in the comment
            only_open = report.only_open
            taken = taken or put_in_pipeline(client, merge, sha, fields, only_open=only_open)
            if not taken and only_open and self._is_concluded_in_comment(client, key, sha):
                return "old"
            if not taken or key in self._untaken:
                mark(merge, self._people.own_login(client), None if taken else report.state)
            return "set" if taken else "untaken"

        doing = f"setting the status of {sha[:12]} on {key}"
        came = await self._ask(doing, write)
        if came == "set":
            self._untaken.pop(key, None)
        elif came == "untaken":
            LOG.info("%s: the fork takes no status from us; it goes elsewhere.", key)
            remember(self._untaken, key, (sha, report))
            await self._status_into_comment(key, sha, report)

    async def checks_of(self, key: PullRequestKey, sha: str) -> tuple[CommitCheck, ...]:
        """Commit statuses, jobs and pipelines, a fork's too."""

        def read(client: gitlab.Gitlab) -> tuple[CommitCheck, ...]:
            return tuple(
                checks_of_commit(
                    client, self._projects.number(client, key.repository), key.number, sha
                )
            )

        return await self._ask(f"listing the checks of {sha[:12]} on {key}", read)

    async def role_of(self, key: PullRequestKey, user: str) -> Role:
        """The role by access level, inherited memberships and invited groups included."""

        def read(client: gitlab.Gitlab) -> Role:
            return self._people.role(client, self._project(client, key), user)

        return await self._ask(f"asking for the role of {user} in {key.repository}", read)

    async def is_member(self, key: PullRequestKey, group: str, user: str) -> bool:
        """Return whether `user` is in the group of this path, by itself or by one above it."""
        del key  # one token for all of an instance

        def read(client: gitlab.Gitlab) -> bool:
            return self._people.is_member(client, group, user)

        return await self._ask(f"asking whether {user} is in {group}", read)

    async def is_bot(self, key: PullRequestKey, user: str) -> bool:
        """Also a service account with a name of its own, of which a note's hook does not say it."""
        del key  # one token for all of an instance

        def read(client: gitlab.Gitlab) -> bool:
            return self._people.is_bot(client, user)

        return await self._ask(f"asking whether {user} is a bot", read)

    async def react(self, key: PullRequestKey, comment: str, reaction: Reaction) -> None:
        """An emoji on a note; GitLab refuses a second of the same, so it is looked for first."""

        def write(client: gitlab.Gitlab) -> None:
            login = self._people.own_login(client)
            name = _EMOJI[reaction]
            note = self._notes(client, key).get(int(comment), lazy=True)
            for award in note.awardemojis.list(iterator=True):
                if award.name == name and award.user["username"] == login:
                    return
            note.awardemojis.create({"name": name})

        await self._ask(f"reacting on {key}", write)

    async def source(self, key: PullRequestKey, base_ref: str) -> Source:
        """The target project, which has forks' head commits too (refs/merge-requests)."""

        def read(client: gitlab.Gitlab) -> str:
            return str(self._project(client, key).path_with_namespace)

        path = await self._ask(f"asking where {key.repository} is", read)
        return Source(
            f"{self._settings.clone_url}/{path}.git",
            GitCredential("oauth2", self._token),
            (f"refs/merge-requests/{key.number}/head", f"refs/heads/{base_ref}"),
        )

    async def close(self) -> None:
        """Ends the threads and connections."""
        await self._client.close()

    async def _ask(
        self, doing: str, call: Callable[[gitlab.Gitlab], T], *, again: bool = True
    ) -> T:
        try:
            return await self._client.ask(doing, call, again=again)
        except ForgeGoneError:
            # Another project may have the path by now; what is not there was not done.
            if not self._projects.forget():
                raise
            return await self._client.ask(doing, call, again=again)

    def _project(self, client: gitlab.Gitlab, key: PullRequestKey, *, lazy: bool = False) -> Any:
        return self._projects.project(client, key.repository, lazy=lazy)

    def _notes(self, client: gitlab.Gitlab, key: PullRequestKey) -> Any:
        project = self._project(client, key, lazy=True)
        return project.mergerequests.get(key.number, lazy=True).notes

    def _own_notes(self, client: gitlab.Gitlab, key: PullRequestKey, marker: str) -> list[Any]:
        """Our notes of all pages, oldest first."""
        login = self._people.own_login(client).casefold()
        listed = self._notes(client, key).list(
            iterator=True, order_by="created_at", sort="asc", activity_filter="only_comments"
        )
        found = [
            note
            for note in listed
            if str((note.author or {}).get("username") or "").casefold() == login
            and marker in str(note.body or "")
        ]
        return sorted(found, key=lambda note: int(note.id))

    def _is_concluded_in_comment(
        self, client: gitlab.Gitlab, key: PullRequestKey, sha: str
    ) -> bool:
        notes = self._own_notes(client, key, COMMENT_MARKER)
        return bool(notes) and concludes(notes[0].body, sha)

    async def _status_into_comment(
        self, key: PullRequestKey, sha: str, report: StatusReport
    ) -> None:
        """Put the status into our comment; without one, comment only on what needs attention."""

        def write(client: gitlab.Gitlab) -> bool:
            notes = self._own_notes(client, key, COMMENT_MARKER)
            if not notes:
                return False
            first = notes[0]
            wanted = with_status(first.body, (sha, report), None)
            if first.body != wanted:
                first.body = wanted
                first.save()
            return True

        doing = f"setting the status of {sha[:12]} on {key}"
        if await self._ask(doing, write) or report.state in ("pending", "success"):
            return
        await self.put_comment(key, COMMENT_MARKER, ALONE)


def _delete(note: Any) -> None:
    from gitlab.exceptions import GitlabDeleteError

    try:
        note.delete()
    except GitlabDeleteError as error:
        if error.response_code != _NOT_FOUND:  # the other run was quicker
            raise


def _comment(note: Any, key: PullRequestKey, web_url: str) -> Comment:
    url = f"{web_url}/{key.repository}/-/merge_requests/{key.number}#note_{note.id}"
    return Comment(str(note.id), url, str(note.body or ""))


open_forge = GitLab.from_settings
