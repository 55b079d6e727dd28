"""The kinds of forge that the local forge speaks as, and the bot's account on each.

What every forge must do is tested once, with `KINDS` as its parameter; `ABILITIES` has what not
every one can.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from bot.demo.forge.server import LocalForge
from bot.demo.forge.values import Pull, Repository, WebHook
from bot.forge.events import CommentEvent, PushEvent
from bot.forge.forgejo.forge import Forgejo
from bot.forge.github.app import AppAuth
from bot.forge.github.forge import GitHub
from bot.forge.gitlab.forge import GitLab
from bot.forge.pagure.forge import Pagure
from bot.forge.protocol import Forge
from bot.forge.values import CommitCheck, OpenPull, PullRequest, PullRequestKey, Role
from bot.settings.forges import FORGE_TYPES, ForgeSettings


@dataclass(frozen=True, slots=True)
class Abilities:
    """What an API can do, where not every forge's can.

    `role` is the one that our account needs there to do all that the bot does; `roles` are those
    that the forge does not have, with what they come to. `statuses`: a check has a status beside
    its comment; `pushers`: it tells who pushed; `reactions`: a token may react; `titles`: the title
    and text of an issue are edited; `private`: it shows private projects; `deliveries`: a failed
    webhook is listed and sent again; `folds`: its Markdown folds the long parts of a comment, which
    are left out elsewhere.
    """

    role: str = ""
    roles: Mapping[str, str] = field(default_factory=dict)
    statuses: bool = True
    pushers: bool = True
    reactions: bool = True
    titles: bool = True
    private: bool = True
    deliveries: bool = True
    folds: bool = True


ABILITIES = {
    "github": Abilities(),
    "gitlab": Abilities("write", statuses=False),
    "forgejo": Abilities("admin", {"triage": "read", "maintain": "write"}, deliveries=False),
    "pagure": Abilities(
        "triage", {"maintain": "write"}, pushers=False, reactions=False, titles=False,
        private=False, deliveries=False, folds=False,
    ),
}  # fmt: skip
KINDS = tuple(ABILITIES)
BOT = "minimize-bot"
SECRET = "s3cret-of-the-hook"
# Nobody listens at this address of hooks: a test takes the deliveries itself.
NOWHERE = "http://127.0.0.1:9/"


def pull_request(key: PullRequestKey, **fields: Any) -> PullRequest:
    """An open pull request of a branch of its own repository, with other `fields`."""
    plain = PullRequest(
        key=key, title="t", author="ann", author_is_bot=False, open=True, draft=False,
        private=False, base_ref="main", base_sha="b" * 40, head_sha="a" * 40,
        head_repository=key.repository, url="u",
    )  # fmt: skip
    return replace(plain, **fields)


class QuietForge:
    """The answers of a forge on which nothing happened, for those that a test writes itself."""

    async def checks_of(self, key: PullRequestKey, sha: str) -> tuple[CommitCheck, ...]:
        return ()

    async def role_of(self, key: PullRequestKey, user: str) -> Role:
        return "read"

    async def pusher_of(self, key: PullRequestKey, sha: str) -> str | None:
        return None

    async def is_member(self, key: PullRequestKey, group: str, user: str) -> bool:
        return False

    async def is_bot(self, key: PullRequestKey, user: str) -> bool:
        return False

    async def pull_of(self, repository: str, branch: str, sha: str) -> int | None:
        return None

    async def comments_since(self, key: PullRequestKey, since: str) -> tuple[CommentEvent, ...]:
        return ()

    async def moved(self, repository: str, branch: str, before: str) -> PushEvent | None:
        return None

    async def open_pulls(self, repository: str) -> tuple[OpenPull, ...]:
        return ()

    async def close(self) -> None:
        """Do nothing: no connection is open."""


def edits_comments(kind: str) -> bool:
    """Return whether a comment of ours is edited, and no other is written beside it."""
    return FORGE_TYPES[kind].edits_comments


def api_url(local: LocalForge, kind: str) -> str:
    """The address that the settings have."""
    if kind == "github":
        return local.api_url
    return local.url if kind == "gitlab" else f"{local.url}{FORGE_TYPES[kind].api_path}"


def plain_settings(local: LocalForge, kind: str, **more: Any) -> ForgeSettings:
    """Settings with a token, and secrets that no test reads."""
    fields = {"type": kind, "api_url": api_url(local, kind), "token": {"env": "X"}}
    return ForgeSettings.model_validate({**fields, "webhook_secrets": [{"env": "X"}], **more})


def add_hook(
    local: LocalForge, kind: str, hook: str = NOWHERE, events: Sequence[str] | None = None
) -> WebHook:
    """A hook of a forge that has no Apps; `events` are GitLab's names (Pagure's hears all)."""
    chosen = events or ("merge_request", "note")
    if kind == "gitlab":
        return local.gitlab.add_hook(hook, SECRET, events=chosen)
    if kind == "pagure":
        return local.pagure.add_hook(hook, SECRET)
    named = {"merge_request": "pull_request", "note": "issue_comment"}
    return local.forgejo.add_hook(hook, SECRET, events=[named.get(one, one) for one in chosen])


def forge_on(
    local: LocalForge,
    kind: str,
    repository: Repository,
    name: str = "it",
    *,
    permissions: Mapping[str, str] | None = None,
    role: str | None = None,
) -> Forge:
    """Our connection to the local forge as `kind`: an App with `permissions`, or a token of an
    account that has the `role` that it needs in the repository."""
    if kind == "github":
        app = next((one for one in local.state.apps if one.slug == "minimize"), None)
        if app is None:
            app = local.add_app("minimize", secret=SECRET, permissions=permissions)
            local.install(app, repository.owner.login)
        named = {"id": app.id, "private_key": {"env": "X"}}
        settings = plain_settings(local, kind, token=None, app=named, web_url=local.url)
        credentials = (str(app.id), app.private_key)
        return GitHub(name, settings, auth=AppAuth(), secrets=(SECRET,), app=credentials)
    local.set_role(repository, BOT, role or ABILITIES[kind].role)
    opened: type[GitLab | Forgejo | Pagure] = {
        "gitlab": GitLab, "forgejo": Forgejo, "pagure": Pagure,
    }[kind]  # fmt: skip
    settings, token = plain_settings(local, kind), local.token(BOT)
    return opened(name, settings, token=token, secrets=(SECRET,))


def page_of(local: LocalForge, kind: str, pull: Pull) -> str:
    """The page of a pull request."""
    if kind == "gitlab":
        return local.gitlab.shapes.merge_url(pull)
    if kind == "pagure":
        return local.pagure.shapes.pull_page(pull)
    shapes = local.github.shapes if kind == "github" else local.forgejo.shapes
    return str(shapes.pull(pull)["html_url"])
