"""GitHub as a forge: comments, check runs or commit statuses, roles, sources of commits.

https://docs.github.com/en/rest
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable, Mapping
from http import HTTPStatus
from urllib.parse import urlencode

import gidgethub

from bot.forge.base import RestForge
from bot.forge.bodies import Verification
from bot.forge.events import CommentEvent, Event, PushEvent
from bot.forge.github.app import (
    AppAuth,
    Auth,
    TokenAuth,
    failed,
    hooks_at,
    installation_token,
    parsed_key,
)
from bot.forge.github.client import GitHubClient, github_errors, open_pull_of, pull_request_of
from bot.forge.github.comments import GitHubComments, GitHubIssues, GitHubSuggestions
from bot.forge.github.events import (
    installation_of,
    is_users_program,
    parse_event,
    push_of,
    read_delivery,
)
from bot.forge.github.status import GitHubStatus, checks_of_commit
from bot.forge.github.webhooks import begin
from bot.forge.rate_limit import RateLimit
from bot.forge.rest import ATTEMPTS, RepositoryApi, quoted
from bot.forge.rest_events import unedited
from bot.forge.values import (
    ROLES,
    CommitCheck,
    FailedDelivery,
    ForgeError,
    ForgeFile,
    ForgeGoneError,
    ForgeRefusedError,
    ForgeTooLargeError,
    OpenPull,
    PullRequest,
    PullRequestKey,
    Role,
    StatusReport,
)
from bot.git.mirror import GitCredential
from bot.settings.forges import ForgeSettings, Secret, WatchedSecret, WatchedSecrets, secret_text
from bot.store.records import NewDelivery

_INSTALLATIONS = ("installation", "installation_repositories")
# The highest first; each includes those below it.
_PERMISSIONS: Mapping[str, Role] = {
    "admin": "admin",
    "maintain": "maintain",
    "push": "write",
    "triage": "triage",
    "pull": "read",
}
_BASE_ROLES: Mapping[str, Role] = {"admin": "admin", "write": "write", "read": "read"}


class GitHub(RestForge):
    """A GitHub (github.com or Enterprise Server), used as an App or with a token."""

    def __init__(
        self,
        name: str,
        settings: ForgeSettings,
        *,
        auth: Auth,
        secrets: Iterable[str],
        app: tuple[str, Secret] | None = None,
    ) -> None:
        super().__init__(name, settings, github_errors)
        self._auth = auth
        self._app = app
        self._secrets = secrets
        self._rate_limits: defaultdict[str, RateLimit] = defaultdict(lambda: RateLimit("GitHub"))
        self.issues = GitHubIssues(self._api, self._own_login)
        self._comments = GitHubComments(self._api, self._own_login, settings.api_url)
        self._suggestions = GitHubSuggestions(self._api, self._own_login)
        self._status = GitHubStatus(self._api, self._own_login, app[0] if app else None)

    @classmethod
    def from_settings(cls, name: str, settings: ForgeSettings) -> GitHub:
        """The forge that the settings describe; UsageError if a secret cannot be read."""
        secrets = WatchedSecrets(settings.webhook_secrets)
        if settings.app is not None:
            app = (str(settings.app.id), WatchedSecret(settings.app.private_key))
            return cls(name, settings, auth=AppAuth(), secrets=secrets, app=app)
        assert settings.token is not None  # the settings ensure it
        token = WatchedSecret(settings.token)
        return cls(name, settings, auth=TokenAuth(token), secrets=secrets)

    def begin(self, headers: Mapping[str, str]) -> Verification:
        """The check of a delivery's body by its signature."""
        return begin(tuple(self._secrets), headers)

    def read(self, headers: Mapping[str, str], body: bytes) -> NewDelivery:
        """The delivery of a verified body."""
        return read_delivery(self.name, headers, body)

    def event(self, event: str, body: bytes) -> Event:
        """The event of an accepted delivery; its installation is remembered."""
        data = json.loads(body)
        origin = installation_of(data)
        if event in _INSTALLATIONS:
            # After a change of repositories or permissions cached tokens are invalid.
            self._auth.forget()
        elif origin is not None:
            self._auth.learn(*origin)
        return parse_event(self.name, event, data)

    async def pull_request(self, key: PullRequestKey) -> PullRequest:
        """The pull request as it is now."""
        async with github_errors(f"reading {key}"):
            api = await self._api(key.repository)
            return pull_request_of(await api.get(f"/pulls/{key.number}"), key)

    async def changed_files(self, key: PullRequestKey) -> tuple[ForgeFile, ...]:
        """The files that it changes, over all pages; GitHub lists 3,000 at most."""
        doing = f"listing the files of {key}"
        async with github_errors(doing):
            try:
                api = await self._api(key.repository)
                items = api.pages(f"/pulls/{key.number}/files?per_page=100")
                return tuple(
                    [
                        ForgeFile(str(item["filename"]), item.get("previous_filename"))
                        async for item in items
                    ]
                )
            except gidgethub.HTTPException as error:
                # "Sorry, the diff exceeded the maximum number of files", "is taking too long".
                if error.status_code not in (406, 422):
                    raise
                raise ForgeTooLargeError(f"GitHub refused ({doing}): {error}.") from error

    async def set_status(self, key: PullRequestKey, sha: str, report: StatusReport) -> None:
        """Set a check run, or a commit status if the bot may not make check runs."""
        async with github_errors(f"setting the status of {sha[:12]} on {key}"):
            wish = self._settings.check_runs
            # Only Apps may make check runs.
            if wish == "always" or (wish == "auto" and self._auth.is_app):
                await self._status.set(key, sha, report, fall_back=wish == "auto")
            else:
                await self._status.set_commit_status(key, sha, report)

    async def checks_of(self, key: PullRequestKey, sha: str) -> tuple[CommitCheck, ...]:
        """Check runs of Apps and commit statuses; an App needs Statuses (read) for the latter."""
        async with github_errors(f"listing the checks of {sha[:12]} on {key}"):
            return tuple(await checks_of_commit(await self._api(key.repository), sha))

    async def role_of(self, key: PullRequestKey, user: str) -> Role:
        """GitHub's `role_name`; a custom role counts as the role it is built on."""
        async with github_errors(f"asking for the role of {user} in {key.repository}"):
            try:
                api = await self._api(key.repository)
                answer = await api.get(f"/collaborators/{quoted(user)}/permission")
            except gidgethub.HTTPException as error:
                if error.status_code != HTTPStatus.NOT_FOUND:
                    raise
                return "none"  # no collaborator
            name = str(answer.get("role_name") or "")
            for role in ROLES:
                if role == name:
                    return role
            # A custom role counts as the standard role that it is built on.
            permissions = (answer.get("user") or {}).get("permissions") or {}
            for permission, role in _PERMISSIONS.items():
                if permissions.get(permission) is True:
                    return role
            return _BASE_ROLES.get(str(answer.get("permission") or ""), "none")

    async def pusher_of(self, key: PullRequestKey, sha: str) -> str | None:
        """The actor of the push, by the head repository's activity; else that one's owner.

        https://docs.github.com/en/rest/repos/repos#list-repository-activities
        """
        async with github_errors(f"asking who pushed {sha[:12]} of {key}"):
            api = await self._api(key.repository)
            head = (await api.get(f"/pulls/{key.number}"))["head"]
            repository = str((head.get("repo") or {}).get("full_name") or "")
            if repository:
                head_api = RepositoryApi(api.client, api.token, repository)
                if pusher := await _actor(head_api, str(head["ref"]), sha):
                    return pusher
            owner = str((head.get("user") or {}).get("login") or "ghost")
            return None if repository.casefold() == key.repository.casefold() else owner

    async def is_member(self, key: PullRequestKey, group: str, user: str) -> bool:
        """Return whether `user` is in the team `organisation/team`; an App needs Members (read) for
        it."""
        organisation, _, team = group.partition("/")
        path = f"/orgs/{quoted(organisation)}/teams/{quoted(team)}/memberships/{quoted(user)}"
        async with github_errors(f"asking whether {user} is in {group}"):
            api = await self._api(key.repository)
            try:
                answer = await api.client.getitem(path, oauth_token=api.token)
            except gidgethub.HTTPException as error:
                if error.status_code != HTTPStatus.NOT_FOUND:
                    raise
                return False
            return bool(answer.get("state") == "active")

    async def is_bot(self, key: PullRequestKey, user: str) -> bool:
        """Decide by the name alone: the event already has the type of a comment's author."""
        del key
        return user.endswith("[bot]")

    async def _clone(self, repository: str) -> tuple[str, GitCredential]:
        async with github_errors(f"getting a token for {repository}"):
            token = (await self._api(repository)).token
        return repository, GitCredential("x-access-token", token)

    async def pull_of(self, repository: str, branch: str, sha: str) -> int | None:
        """The pull request of a commit, an open one too: it is `merged` only after the push."""
        async with github_errors(f"asking for the pull request of {sha[:12]} of {repository}"):
            api = await self._api(repository)
            try:
                async for pull in api.pages(f"/commits/{sha}/pulls?per_page=100"):
                    counts = pull.get("merged_at") or pull["state"] == "open"
                    if counts and pull["base"]["ref"] == branch:
                        return int(pull["number"])
            except gidgethub.HTTPException as error:
                if error.status_code != HTTPStatus.UNPROCESSABLE_ENTITY:
                    raise
                # "No commit found": the API lags behind git.
                raise ForgeError(f"GitHub does not know {sha[:12]} yet: {error}.") from error
        return None

    async def login(self) -> str:
        """The App's slug with `[bot]`, or the token's user."""
        async with github_errors("asking GitHub for the credential's account"):
            return await self._own_login()

    async def repositories(self) -> tuple[str, ...]:
        """The repositories of the App's installations; none for a token, which may read many
        others."""
        if not self._auth.is_app:
            return ()
        names: list[str] = []
        async with github_errors("listing the App's repositories"):
            app = self._plain_client()
            async for installation in app.getiter("/app/installations?per_page=100"):
                if installation.get("suspended_at"):
                    continue
                token = await installation_token(app, int(installation["id"]))
                served = app.getiter(
                    "/installation/repositories?per_page=100",
                    oauth_token=token,
                    iterable_key="repositories",
                )
                names += [str(repository["full_name"]) async for repository in served]
        return tuple(names)

    async def open_pulls(self, repository: str) -> tuple[OpenPull, ...]:
        """The open pull requests, the most recently changed first."""
        query = "state=open&sort=updated&direction=desc&per_page=100"
        async with github_errors(f"listing the pull requests of {repository}"):
            pulls = (await self._api(repository)).pages(f"/pulls?{query}")
            return tuple([open_pull_of(pull) async for pull in pulls])

    async def comments_since(self, key: PullRequestKey, since: str) -> tuple[CommentEvent, ...]:
        """The first hundred that GitHub lists as changed since then, except edited ones."""
        query = urlencode({"since": f"{since[:19]}Z", "per_page": 100})
        async with github_errors(f"listing the comments on {key}"):
            api = await self._api(key.repository)
            comments = await api.get(f"/issues/{key.number}/comments?{query}")
        return unedited(key, comments, since, is_users_program)

    async def moved(self, repository: str, branch: str, before: str) -> PushEvent | None:
        """The move of a branch, by the repository's activity."""
        query = urlencode({"ref": f"refs/heads/{branch}", "per_page": 1})
        async with github_errors(f"asking for the tip of {branch} of {repository}"):
            api = await self._api(repository)
            moves = await api.get(f"/activity?{query}")
            after = str(moves[0]["after"]) if moves else before
            if after == before or not after.strip("0"):
                return None
            return push_of(self.name, await api.get(""), branch, before, after)

    async def failed_deliveries(
        self, repository: str | None, hook: str, since: float
    ) -> tuple[FailedDelivery, ...]:
        """The failed deliveries: of an App's hook for all repositories, else of a repository's."""
        if self._auth.is_app != (repository is None):
            return ()
        async with github_errors("listing the failed deliveries"):
            if repository is None:
                app = self._plain_client()
                entries = app.getiter("/app/hook/deliveries?per_page=100")
                return tuple(await failed(entries, "/app/hook", since))
            api = await self._api(repository)
            deliveries: list[FailedDelivery] = []
            for path in await hooks_at(api, hook):
                url = f"{path}/deliveries?per_page=100"
                entries = api.client.getiter(url, oauth_token=api.token)
                deliveries += await failed(entries, path, since)
            return tuple(deliveries)

    async def send_again(self, delivery: FailedDelivery) -> None:
        """Request another attempt, which GitHub makes a moment later."""
        async with github_errors(f"having the delivery {delivery.delivery} sent again"):
            client = self._plain_client()
            token = None if self._auth.is_app else await self._auth.token(client, "")
            await client.post(delivery.address, data={}, oauth_token=token)

    def rate_limit(self, repository: str) -> RateLimit:
        """The rate limit of the token, or of the App's installation on a repository."""
        return self._rate_limits[self._auth.account(repository)]

    async def _api(self, repository: str, *, attempts: int = ATTEMPTS) -> RepositoryApi:
        plain = self._plain_client()

        async def renew() -> str:
            self._auth.forget(repository)
            return await self._auth.token(plain, repository)

        token = await self._auth.token(plain, repository)
        limit = self.rate_limit(repository)
        client = self._plain_client(renew if self._auth.is_app else None, attempts, limit)
        return RepositoryApi(client, token, repository)

    def _plain_client(
        self,
        renew: Callable[[], Awaitable[str]] | None = None,
        attempts: int = ATTEMPTS,
        rate_limit: RateLimit | None = None,
    ) -> GitHubClient:
        app_id, private_key = self._app or (None, None)
        return GitHubClient(
            self._sessions.get(),
            api_url=self._settings.api_url,
            app_id=app_id,
            private_key=None if private_key is None else parsed_key(secret_text(private_key)),
            renew=renew,
            attempts=attempts,
            rate_limit=rate_limit or self._rate_limits["app"],
        )

    async def _own_login(self) -> str:
        return await self._auth.login(self._plain_client())


async def _actor(api: RepositoryApi, branch: str, sha: str) -> str:
    """The user who pushed a commit to a branch; empty if that is not readable, or long ago."""
    query = urlencode({"ref": f"refs/heads/{branch}", "per_page": 100})
    try:
        async with github_errors(f"reading the activity of {api.repository}"):
            activities = await api.get(f"/activity?{query}")
    except (ForgeGoneError, ForgeRefusedError):
        # A fork that the App is not installed on, or an older Enterprise Server.
        return ""
    moves = (activity for activity in activities if activity.get("after") == sha)  # newest first
    return next((str((activity.get("actor") or {}).get("login") or "") for activity in moves), "")


open_forge = GitHub.from_settings
