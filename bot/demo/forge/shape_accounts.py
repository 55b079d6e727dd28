"""The JSON objects of GitHub's REST API and webhooks: accounts, Apps, installations.

Field names, types and nullness are those of https://docs.github.com/en/rest and of GitHub's
OpenAPI description; what this forge does not have (stars, wikis, teams) has its empty value.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import quote

from bot.demo.forge.state import App, Installation, State, User, node_id

Json = dict[str, Any]


def stamp(at: datetime | None) -> str | None:
    """RFC 3339 in UTC, to the second, as GitHub writes it."""
    return at.strftime("%Y-%m-%dT%H:%M:%SZ") if at else None


@dataclass(frozen=True, slots=True)
class AccountShapes:
    """Makes the objects; `web` and `api` are the forge's two base addresses."""

    state: State
    web: str
    api: str

    def user(self, user: User) -> Json:
        """A simple user, as it stands inside every other object."""
        # A bot's name has brackets, which no URL has.
        name = quote(user.login, safe="")
        url = f"{self.api}/users/{name}"
        return {
            "login": user.login,
            "id": user.id,
            "node_id": node_id("U", user.id),
            "avatar_url": f"{self.web}/avatars/{user.id}",
            "gravatar_id": "",
            "url": url,
            "html_url": f"{self.web}/{name}",
            "followers_url": f"{url}/followers",
            "following_url": f"{url}/following{{/other_user}}",
            "gists_url": f"{url}/gists{{/gist_id}}",
            "starred_url": f"{url}/starred{{/owner}}{{/repo}}",
            "subscriptions_url": f"{url}/subscriptions",
            "organizations_url": f"{url}/orgs",
            "repos_url": f"{url}/repos",
            "events_url": f"{url}/events{{/privacy}}",
            "received_events_url": f"{url}/received_events",
            "type": user.kind,
            "user_view_type": "public",
            "site_admin": False,
        }

    def whole_user(self, user: User) -> Json:
        """A user as its own address gives it: with a profile, which nobody here has filled in."""
        profile = ("name", "company", "location", "email", "hireable", "bio", "twitter_username")
        counts = ("public_repos", "public_gists", "followers", "following")
        at = "2026-01-01T00:00:00Z"
        return {
            **self.user(user),
            **dict.fromkeys(profile),
            **dict.fromkeys(counts, 0),
            "blog": "",
            "created_at": at,
            "updated_at": at,
        }

    def organization(self, user: User) -> Json:
        """The organization of a webhook's payload."""
        url = f"{self.api}/orgs/{user.login}"
        return {
            "login": user.login,
            "id": user.id,
            "node_id": node_id("O", user.id),
            "url": url,
            "repos_url": f"{url}/repos",
            "events_url": f"{url}/events",
            "hooks_url": f"{url}/hooks",
            "issues_url": f"{url}/issues",
            "members_url": f"{url}/members{{/member}}",
            "public_members_url": f"{url}/public_members{{/member}}",
            "avatar_url": f"{self.web}/avatars/{user.id}",
            "description": None,
        }

    def app(self, app: App) -> Json:
        owner = self.state.user("minimize-demo", "Organization")
        return {
            "id": app.id,
            "client_id": app.client_id,
            "slug": app.slug,
            "node_id": node_id("A", app.id),
            "owner": self.user(owner),
            "name": app.slug,
            "description": None,
            "external_url": f"{self.web}/apps/{app.slug}",
            "html_url": f"{self.web}/apps/{app.slug}",
            "created_at": stamp(app.created_at),
            "updated_at": stamp(app.created_at),
            "permissions": dict(app.permissions),
            "events": list(app.events),
        }

    def installation(self, installation: Installation) -> Json:
        app = installation.app
        url = f"{self.api}/app/installations/{installation.id}"
        return {
            "id": installation.id,
            "account": self.user(installation.account),
            "repository_selection": "all",
            "access_tokens_url": f"{url}/access_tokens",
            "repositories_url": f"{self.api}/installation/repositories",
            "html_url": f"{self.web}/settings/installations/{installation.id}",
            "app_id": app.id,
            "client_id": app.client_id,
            "app_slug": app.slug,
            "target_id": installation.account.id,
            "target_type": installation.account.kind,
            "permissions": dict(app.permissions),
            "events": list(app.events),
            "created_at": stamp(installation.created_at),
            "updated_at": stamp(installation.created_at),
            "single_file_name": None,
            "has_multiple_single_files": False,
            "single_file_paths": [],
            "suspended_by": None,
            "suspended_at": None,
        }
