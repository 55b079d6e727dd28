"""The JSON objects of GitHub's REST API and webhooks: accounts, Apps, repositories, files.

Field names, types and nullness are those of https://docs.github.com/en/rest and of GitHub's OpenAPI
description; fields for features that this forge lacks (stars, wikis, teams) are empty.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote

from bot.demo.forge.gitstore import FileChange
from bot.demo.forge.state import StateShapes
from bot.demo.forge.values import (
    ROLES,
    App,
    Installation,
    Json,
    Repository,
    Token,
    User,
)

# Fields that are the same for every object here.
_PLAIN_REPOSITORY: Json = {
    **dict.fromkeys(("description", "homepage", "language", "license", "mirror_url")),
    **dict.fromkeys(
        ("size", "stargazers_count", "watchers_count", "forks_count", "forks", "watchers"), 0
    ),
    **dict.fromkeys(
        (
            *("has_projects", "has_downloads", "has_wiki", "has_pages", "has_discussions"),
            *("archived", "disabled", "is_template", "web_commit_signoff_required"),
        ),
        False,
    ),
    **dict.fromkeys(("has_issues", "allow_forking"), True),
    "topics": [],
}
_PLAIN_USER: Json = {
    **dict.fromkeys(
        ("name", "company", "location", "email", "hireable", "bio", "twitter_username")
    ),
    **dict.fromkeys(("public_repos", "public_gists", "followers", "following"), 0),
    **dict.fromkeys(("created_at", "updated_at"), "2026-01-01T00:00:00Z"),
    "blog": "",
}
# The addresses of a user's and a repository's parts, below its own.
_USER_URLS = (
    "followers following{/other_user} gists{/gist_id} starred{/owner}{/repo} subscriptions repos"
    " events{/privacy} received_events"
)
_REPOSITORY_URLS = (
    "forks keys{/key_id} collaborators{/collaborator} teams hooks events assignees{/user}"
    " branches{/branch} tags statuses/{sha} languages stargazers contributors subscribers"
    " subscription commits{/sha} comments{/number} contents/{+path} compare/{base}...{head} merges"
    " downloads issues{/number} pulls{/number} milestones{/number} labels{/name} releases{/id}"
    " notifications{?since,all,participating} deployments"
)
_OTHER_URLS = {
    "issue_events_url": "issues/events{/number}",
    "issue_comment_url": "issues/comments{/number}",
    "blobs_url": "git/blobs{/sha}",
    "trees_url": "git/trees{/sha}",
    **{f"git_{name}_url": f"git/{name}{{/sha}}" for name in ("tags", "refs", "commits")},
    "archive_url": "{archive_format}{/ref}",
}
# GitHub's `permissions` of a repository, and the least role with each.
_PERMISSIONS = {
    "admin": "admin",
    "maintain": "maintain",
    "push": "write",
    "triage": "triage",
    "pull": "read",
}


def stamp(at: datetime | None) -> str | None:
    """A time in RFC 3339, in UTC, to the second."""
    return at.strftime("%Y-%m-%dT%H:%M:%SZ") if at else None


def node_id(prefix: str, number: int) -> str:
    """An opaque global id like GitHub's, made of the kind's prefix and the number."""
    return f"{prefix}_{base64.urlsafe_b64encode(number.to_bytes(8, 'big')).decode().rstrip('=')}"


def urls(url: str, tails: str) -> Json:
    """The addresses `url` plus each word of `tails`, by the word's name."""
    return {f"{tail.partition('{')[0].rstrip('/')}_url": f"{url}/{tail}" for tail in tails.split()}


@dataclass(frozen=True, slots=True)
class AccountShapes(StateShapes):
    """Maker of the objects; `web` and `api` are the forge's base addresses."""

    api: str

    # Accounts and Apps

    def user(self, user: User) -> Json:
        """A simple user, as part of other objects."""
        # A bot's name has brackets, which are escaped in URLs.
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
            **urls(url, _USER_URLS),
            "organizations_url": f"{url}/orgs",
            "type": user.kind,
            "user_view_type": "public",
            "site_admin": False,
        }

    def whole_user(self, user: User) -> Json:
        """A user as at its own address: with a profile, which is empty."""
        return {**self.user(user), **_PLAIN_USER}

    def organization(self, user: User) -> Json:
        """The organization of a webhook's payload."""
        url = f"{self.api}/orgs/{user.login}"
        return {
            "login": user.login,
            "id": user.id,
            "node_id": node_id("O", user.id),
            "url": url,
            **urls(url, "repos events hooks issues members{/member} public_members{/member}"),
            "avatar_url": f"{self.web}/avatars/{user.id}",
            "description": None,
        }

    def app(self, app: App) -> Json:
        created = stamp(app.created_at)
        return {
            "id": app.id,
            "client_id": app.client_id,
            "slug": app.slug,
            "node_id": node_id("A", app.id),
            "owner": self.user(self.state.user("minimize-demo", "Organization")),
            "name": app.slug,
            "description": None,
            "external_url": f"{self.web}/apps/{app.slug}",
            "html_url": f"{self.web}/apps/{app.slug}",
            "created_at": created,
            "updated_at": created,
            "permissions": dict(app.permissions),
            "events": list(app.events),
        }

    def installation(self, installation: Installation) -> Json:
        app, account = installation.app, installation.account
        url = f"{self.api}/app/installations/{installation.id}"
        created = stamp(installation.created_at)
        return {
            "id": installation.id,
            "account": self.user(account),
            "repository_selection": "all",
            "access_tokens_url": f"{url}/access_tokens",
            "repositories_url": f"{self.api}/installation/repositories",
            "html_url": f"{self.web}/settings/installations/{installation.id}",
            "app_id": app.id,
            "client_id": app.client_id,
            "app_slug": app.slug,
            "target_id": account.id,
            "target_type": account.kind,
            "permissions": dict(app.permissions),
            "events": list(app.events),
            "created_at": created,
            "updated_at": created,
            "has_multiple_single_files": False,
            "single_file_paths": [],
            **dict.fromkeys(("single_file_name", "suspended_by", "suspended_at")),
        }

    def access_token(self, token: Token) -> Json:
        """A new installation token, with its repositories unless it is for all."""
        shape: Json = {
            "token": token.text,
            "expires_at": stamp(token.expires_at),
            "permissions": dict(token.permissions),
            "repository_selection": "all" if token.repositories is None else "selected",
        }
        if token.repositories is not None:
            shape["repositories"] = [
                self.repository(repository) for repository in token.repositories
            ]
        return shape

    # Repositories

    def repository_url(self, repository: Repository) -> str:
        return f"{self.api}/repos/{repository.full_name}"

    def repository(self, repository: Repository, viewer: User | None = None) -> Json:
        """A repository; with a viewer also their permissions."""
        url = self.repository_url(repository)
        html = f"{self.web}/{repository.full_name}"
        created = stamp(repository.created_at)
        pulls = sum(p.repository is repository and p.state == "open" for p in self.state.pulls)
        shape: Json = {
            **_PLAIN_REPOSITORY,
            "id": repository.id,
            "node_id": node_id("R", repository.id),
            "name": repository.name,
            "full_name": repository.full_name,
            "private": repository.private,
            "visibility": "private" if repository.private else "public",
            "owner": self.user(repository.owner),
            "fork": repository.parent is not None,
            "default_branch": repository.default_branch,
            **dict.fromkeys(("open_issues_count", "open_issues"), pulls),
            **dict.fromkeys(("created_at", "updated_at", "pushed_at"), created),
            **dict.fromkeys(("html_url", "svn_url"), html),
            **dict.fromkeys(("git_url", "ssh_url", "clone_url"), f"{html}.git"),
            "url": url,
            **urls(url, _REPOSITORY_URLS),
            **{name: f"{url}/{tail}" for name, tail in _OTHER_URLS.items()},
        }
        if viewer is not None:
            rank = ROLES.index(repository.role(viewer))
            shape["permissions"] = {
                name: rank >= ROLES.index(role) for name, role in _PERMISSIONS.items()
            }
        return shape

    def file(self, repository: Repository, change: FileChange, sha: str) -> Json:
        html = f"{self.web}/{repository.full_name}"
        shape: Json = {
            "sha": change.blob,
            "filename": change.path,
            "status": change.state,
            "additions": change.additions,
            "deletions": change.deletions,
            "changes": change.additions + change.deletions,
            "blob_url": f"{html}/blob/{sha}/{change.path}",
            "raw_url": f"{html}/raw/{sha}/{change.path}",
            "contents_url": f"{self.repository_url(repository)}/contents/{change.path}?ref={sha}",
        }
        if change.patch is not None:
            shape["patch"] = change.patch
        if change.previous is not None:
            shape["previous_filename"] = change.previous
        return shape
