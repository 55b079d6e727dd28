"""GitHub as a forge: comments, check runs or commit statuses, roles, where the commits are.

https://docs.github.com/en/rest
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import gidgethub

from bot.forge.events import Event
from bot.forge.github.app import AppAuth, Auth, TokenAuth
from bot.forge.github.checks import checks_of_commit
from bot.forge.github.client import GitHubClient, Sessions, errors_as_ours
from bot.forge.github.commits import GitHubCommits
from bot.forge.github.events import accept, installation_of, parse_event
from bot.forge.github.hidden_comments import show_again
from bot.forge.github.issues import GitHubIssues
from bot.forge.github.status import GitHubStatus
from bot.forge.values import (
    ROLES,
    Comment,
    CommitCheck,
    ForgeFile,
    ForgeTooLargeError,
    PullRequest,
    PullRequestKey,
    Reaction,
    Role,
    Source,
    StatusReport,
)
from bot.git.mirror import GitCredential
from bot.settings.forges import ForgeSettings
from bot.store.deliveries import NewDelivery

_INSTALLATIONS = ("installation", "installation_repositories")
_ATTEMPTS = 4
# From the highest on: who has one has those below it.
_PERMISSIONS: Mapping[str, Role] = {
    "admin": "admin",
    "maintain": "maintain",
    "push": "write",
    "triage": "triage",
    "pull": "read",
}
_BASE_ROLES: Mapping[str, Role] = {"admin": "admin", "write": "write", "read": "read"}


class GitHub:
    """One GitHub (github.com or Enterprise Server) with our App or token on it."""

    def __init__(
        self,
        name: str,
        settings: ForgeSettings,
        *,
        auth: Auth,
        secrets: tuple[str, ...],
        app: tuple[str, str] | None = None,
    ) -> None:
        self._name = name
        self._settings = settings
        self._auth = auth
        self._app = app
        self._secrets = secrets
        self._sessions = Sessions()
        self.commits = GitHubCommits(self._client, settings.clone_url)
        self.issues = GitHubIssues(self._client, self._own_login)
        self._status = GitHubStatus(self._client, self._own_login, app[0] if app else None)

    @classmethod
    def from_settings(cls, name: str, settings: ForgeSettings) -> GitHub:
        """The forge that the settings describe; UsageError if a secret is not there."""
        secrets = tuple(secret.value() for secret in settings.webhook_secrets)
        if settings.app is not None:
            app = (str(settings.app.id), settings.app.private_key.value())
            return cls(name, settings, auth=AppAuth(), secrets=secrets, app=app)
        assert settings.token is not None  # the settings see to it
        return cls(name, settings, auth=TokenAuth(settings.token.value()), secrets=secrets)

    @property
    def name(self) -> str:
        """The name of the forge in the settings."""
        return self._name

    def accept(self, headers: Mapping[str, str], body: bytes) -> NewDelivery:
        """The delivery, if it is signed with one of the secrets and is what it says."""
        return accept(self._name, self._secrets, headers, body)

    def event(self, event: str, body: bytes) -> Event:
        """The event of an accepted delivery; its installation is remembered."""
        data = json.loads(body)
        named = installation_of(data)
        if event in _INSTALLATIONS:
            # Uninstalled, suspended, other repositories or permissions: tokens of before are void.
            self._auth.forget()
        elif named is not None:
            self._auth.learn(*named)
        return parse_event(self._name, event, data)

    async def pull_request(self, key: PullRequestKey) -> PullRequest:
        """The pull request as it is now."""
        async with errors_as_ours(f"reading {key}"):
            pull = await self._get(key, f"/pulls/{key.number}")
            head_repository = (pull["head"].get("repo") or {}).get("full_name")
            user = pull.get("user") or {}
            return PullRequest(
                key=key,
                title=str(pull.get("title") or ""),
                author=str(user.get("login") or "ghost"),
                author_is_bot=user.get("type") == "Bot",
                open=pull.get("state", "open") == "open",
                draft=bool(pull.get("draft")),
                private=bool((pull["base"].get("repo") or {}).get("private")),
                base_ref=str(pull["base"]["ref"]),
                base_sha=str(pull["base"]["sha"]),
                head_sha=str(pull["head"]["sha"]),
                head_repository=head_repository,
                url=str(pull.get("html_url") or ""),
                default_branch=str((pull["base"].get("repo") or {}).get("default_branch") or ""),
                merged=str(pull.get("merged_at") or ""),
                # Of one that is open it is the commit of a merge that was only tried.
                merge_sha=str((pull.get("merged_at") and pull.get("merge_commit_sha")) or ""),
            )

    async def changed_files(self, key: PullRequestKey) -> tuple[ForgeFile, ...]:
        """The files it changes, over all pages; GitHub lists 3,000 at most."""
        doing = f"listing the files of {key}"
        async with errors_as_ours(doing):
            try:
                return tuple(
                    [
                        ForgeFile(str(item["filename"]), item.get("previous_filename"))
                        async for item in self._pages(
                            key, f"/pulls/{key.number}/files?per_page=100"
                        )
                    ]
                )
            except gidgethub.HTTPException as error:
                # "Sorry, the diff exceeded the maximum number of files", "is taking too long".
                if error.status_code not in (406, 422):
                    raise
                raise ForgeTooLargeError(f"GitHub refused ({doing}): {error}.") from error

    async def find_comment(self, key: PullRequestKey, marker: str) -> Comment | None:
        """Our oldest comment with `marker`; other people's are never ours, whatever they hold."""
        async with errors_as_ours(f"looking for the comment on {key}"):
            found = await self._own_comments(key, marker, first=True)
            return found[0] if found else None

    async def put_comment(self, key: PullRequestKey, marker: str, body: str) -> Comment:
        """Edits our comment, or writes it where there is none; one that came twice goes again."""
        if marker not in body:
            raise ValueError("the comment does not hold its own marker")
        async with errors_as_ours(f"commenting on {key}"):
            own = await self._own_comments(key, marker)
            if not own:
                client, token = await self._client(key.repository)
                made = await client.post(
                    self._path(key, f"/issues/{key.number}/comments"),
                    data={"body": body},
                    oauth_token=token,
                )
                # Two runs may have looked at the same moment: the oldest comment stays.
                own = await self._own_comments(key, marker) or [_comment(made)]
            for surplus in own[1:]:
                await self._delete(key, surplus)
            return await self._edit(key, own[0], body)

    async def set_status(self, key: PullRequestKey, sha: str, report: StatusReport) -> None:
        """A check run, or a commit status where check runs are not ours to make."""
        async with errors_as_ours(f"setting the status of {sha[:12]} on {key}"):
            wish = self._settings.check_runs
            # Only Apps may make check runs.
            if wish == "always" or (wish == "auto" and self._auth.is_app):
                await self._status.set(key, sha, report, fall_back=wish == "auto")
            else:
                await self._status.set_commit_status(key, sha, report)

    async def checks_of(self, key: PullRequestKey, sha: str) -> tuple[CommitCheck, ...]:
        """Check runs of Apps and commit statuses; an App needs Statuses (read) for the latter."""
        async with errors_as_ours(f"listing the checks of {sha[:12]} on {key}"):
            client, token = await self._client(key.repository)
            commit = self._path(key, f"/commits/{_quoted(sha)}")
            return tuple(await checks_of_commit(client, token, commit))

    async def role_of(self, key: PullRequestKey, user: str) -> Role:
        """GitHub's `role_name`; a custom role counts as the role it is built on."""
        async with errors_as_ours(f"asking for the role of {user} in {key.repository}"):
            try:
                answer = await self._get(key, f"/collaborators/{_quoted(user)}/permission")
            except gidgethub.HTTPException as error:
                if error.status_code != HTTPStatus.NOT_FOUND:
                    raise
                return "none"  # nobody that this repository knows
            named = str(answer.get("role_name") or "")
            for role in ROLES:
                if role == named:
                    return role
            # A custom role: what it may do tells the role that it is built on.
            held = (answer.get("user") or {}).get("permissions") or {}
            for permission, role in _PERMISSIONS.items():
                if held.get(permission) is True:
                    return role
            return _BASE_ROLES.get(str(answer.get("permission") or ""), "none")

    async def is_member(self, key: PullRequestKey, group: str, user: str) -> bool:
        """Return whether `user` is in the team `organisation/team`; an App needs Members (read) for
        it."""
        organisation, _, team = group.partition("/")
        path = f"/orgs/{_quoted(organisation)}/teams/{_quoted(team)}/memberships/{_quoted(user)}"
        async with errors_as_ours(f"asking whether {user} is in {group}"):
            client, token = await self._client(key.repository)
            try:
                answer = await client.getitem(path, oauth_token=token)
            except gidgethub.HTTPException as error:
                if error.status_code != HTTPStatus.NOT_FOUND:
                    raise
                return False
            return bool(answer.get("state") == "active")

    async def is_bot(self, key: PullRequestKey, user: str) -> bool:
        """Decide by the name alone: the event already has the type of a comment's author."""
        del key
        return user.endswith("[bot]")

    async def react(self, key: PullRequestKey, comment: str, reaction: Reaction) -> None:
        """Put a reaction on a comment."""
        async with errors_as_ours(f"reacting on {key}"):
            client, token = await self._client(key.repository)
            await client.post(
                self._path(key, f"/issues/comments/{int(comment)}/reactions"),
                data={"content": reaction},
                oauth_token=token,
            )

    async def source(self, key: PullRequestKey, base_ref: str) -> Source:
        """The base repository, which has the head's commits too, of forks as well (refs/pull)."""
        async with errors_as_ours(f"getting a token for {key.repository}"):
            _, token = await self._client(key.repository)
        return Source(
            f"{self._settings.clone_url}/{key.repository}.git",
            GitCredential("x-access-token", token),
            (f"refs/pull/{key.number}/head", f"refs/heads/{base_ref}"),
        )

    async def close(self) -> None:
        """Closes the connections."""
        await self._sessions.close()

    async def _client(
        self, repository: str, *, attempts: int = _ATTEMPTS
    ) -> tuple[GitHubClient, str]:
        plain = self._plain_client()

        async def renew() -> str:
            self._auth.forget(repository)
            return await self._auth.token(plain, repository)

        token = await self._auth.token(plain, repository)
        return self._plain_client(renew if self._auth.is_app else None, attempts), token

    def _plain_client(
        self, renew: Callable[[], Awaitable[str]] | None = None, attempts: int = _ATTEMPTS
    ) -> GitHubClient:
        app_id, private_key = self._app or (None, None)
        return GitHubClient(
            self._sessions.get(),
            api_url=self._settings.api_url,
            app_id=app_id,
            private_key=private_key,
            renew=renew,
            attempts=attempts,
        )

    async def _own_login(self) -> str:
        return await self._auth.login(self._plain_client())

    def _path(self, key: PullRequestKey, rest: str) -> str:
        owner, _, name = key.repository.partition("/")
        return f"/repos/{_quoted(owner)}/{_quoted(name)}{rest}"

    async def _get(self, key: PullRequestKey, rest: str) -> Any:
        client, token = await self._client(key.repository)
        return await client.getitem(self._path(key, rest), oauth_token=token)

    async def _pages(self, key: PullRequestKey, rest: str) -> AsyncIterator[Any]:
        client, token = await self._client(key.repository)
        async for item in client.getiter(self._path(key, rest), oauth_token=token):
            yield item

    async def _own_comments(
        self, key: PullRequestKey, marker: str, *, first: bool = False
    ) -> list[Comment]:
        login = (await self._own_login()).lower()
        found: list[Comment] = []
        async for item in self._pages(key, f"/issues/{key.number}/comments?per_page=100"):
            author = str((item.get("user") or {}).get("login") or "")
            if author.lower() == login and marker in str(item.get("body") or ""):
                found.append(_comment(item))
                if first:
                    break
        return sorted(found, key=lambda c: int(c.id))

    async def _edit(self, key: PullRequestKey, comment: Comment, body: str) -> Comment:
        if comment.body == body:
            return comment
        # No second try here: whoever waited must look at the head again before writing its text.
        client, token = await self._client(key.repository, attempts=1)
        edited = await client.patch(
            self._path(key, f"/issues/comments/{comment.id}"),
            data={"body": body},
            oauth_token=token,
        )
        await show_again(client, token, self._settings.api_url, edited)
        return _comment(edited)

    async def _delete(self, key: PullRequestKey, comment: Comment) -> None:
        client, token = await self._client(key.repository)
        try:
            await client.delete(
                self._path(key, f"/issues/comments/{comment.id}"), oauth_token=token
            )
        except gidgethub.HTTPException as error:
            if error.status_code != HTTPStatus.NOT_FOUND:  # the other run was quicker
                raise


def _comment(item: Any) -> Comment:
    return Comment(str(item["id"]), str(item.get("html_url") or ""), str(item.get("body") or ""))


def _quoted(segment: str) -> str:
    """One path segment; braces and slashes of a hostile name cannot become another path."""
    return quote(segment, safe="")


open_forge = GitHub.from_settings
