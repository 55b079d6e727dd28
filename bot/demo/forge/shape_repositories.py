"""The JSON objects of GitHub's REST API: repositories, commits, changed files, contents."""

from __future__ import annotations

import base64

from bot.demo.forge.gitstore import Commit, FileChange
from bot.demo.forge.shape_accounts import AccountShapes, Json, stamp
from bot.demo.forge.state import ROLES, Repository, Token, User, node_id


class RepositoryShapes(AccountShapes):
    """Makes the objects that belong to a repository."""

    __slots__ = ()

    def repository(self, repository: Repository, viewer: User | None = None) -> Json:
        """A repository; with a viewer also what that viewer may do."""
        url = self.repository_url(repository)
        html = f"{self.web}/{repository.full_name}"
        made = stamp(repository.created_at)
        open_pulls = [
            p for p in self.state.pulls if p.repository is repository and p.state == "open"
        ]
        shape: Json = {
            "id": repository.id,
            "node_id": node_id("R", repository.id),
            "name": repository.name,
            "full_name": repository.full_name,
            "private": repository.private,
            "owner": self.user(repository.owner),
            "html_url": html,
            "description": None,
            "fork": repository.parent is not None,
            "url": url,
            **{f"{name}_url": f"{url}/{tail}" for name, tail in _REPOSITORY_URLS.items()},
            "created_at": made,
            "updated_at": made,
            "pushed_at": made,
            "git_url": f"{html}.git",
            "ssh_url": f"{html}.git",
            "clone_url": f"{html}.git",
            "svn_url": html,
            "homepage": None,
            "size": 0,
            "stargazers_count": 0,
            "watchers_count": 0,
            "language": None,
            "has_issues": True,
            "has_projects": False,
            "has_downloads": False,
            "has_wiki": False,
            "has_pages": False,
            "has_discussions": False,
            "forks_count": 0,
            "mirror_url": None,
            "archived": False,
            "disabled": False,
            "open_issues_count": len(open_pulls),
            "license": None,
            "allow_forking": True,
            "is_template": False,
            "web_commit_signoff_required": False,
            "topics": [],
            "visibility": "private" if repository.private else "public",
            "forks": 0,
            "open_issues": len(open_pulls),
            "watchers": 0,
            "default_branch": repository.default_branch,
        }
        if viewer is not None:
            rank = _rank(repository.role(viewer))
            shape["permissions"] = {
                name: rank >= _rank(role)
                for name, role in (
                    ("admin", "admin"),
                    ("maintain", "maintain"),
                    ("push", "write"),
                    ("triage", "triage"),
                    ("pull", "read"),
                )
            }
        return shape

    def repository_url(self, repository: Repository) -> str:
        return f"{self.api}/repos/{repository.full_name}"

    def access_token(self, token: Token) -> Json:
        """A new installation token, with its repositories where it is not for all."""
        shape: Json = {
            "token": token.text,
            "expires_at": stamp(token.expires_at),
            "permissions": dict(token.permissions),
            "repository_selection": "all" if token.repositories is None else "selected",
        }
        if token.repositories is not None:
            shape["repositories"] = [self.repository(one) for one in token.repositories]
        return shape

    def commit(self, repository: Repository, commit: Commit) -> Json:
        """A commit of a list; author and committer accounts are not known to git, so null."""
        url = f"{self.repository_url(repository)}/commits/{commit.sha}"
        html = f"{self.web}/{repository.full_name}/commit/{commit.sha}"
        git = f"{self.repository_url(repository)}/git"
        person = {"name": commit.author, "email": commit.email, "date": stamp(commit.at)}
        return {
            "sha": commit.sha,
            "node_id": f"C_{commit.sha}",
            "commit": {
                "author": person,
                "committer": person,
                "message": commit.message,
                "tree": {"sha": commit.tree, "url": f"{git}/trees/{commit.tree}"},
                "url": f"{git}/commits/{commit.sha}",
                "comment_count": 0,
                "verification": {
                    "verified": False,
                    "reason": "unsigned",
                    "signature": None,
                    "payload": None,
                    "verified_at": None,
                },
            },
            "url": url,
            "html_url": html,
            "comments_url": f"{url}/comments",
            "author": None,
            "committer": None,
            "parents": [
                {
                    "sha": parent,
                    "url": f"{self.repository_url(repository)}/commits/{parent}",
                    "html_url": f"{self.web}/{repository.full_name}/commit/{parent}",
                }
                for parent in commit.parents
            ],
        }

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

    def content(
        self,
        repository: Repository,
        ref: str,
        entry: tuple[str, str, str, int | None],
        data: bytes | None = None,
    ) -> Json:
        """A file (with its content, base64 in lines) or a folder's entry."""
        kind, identity, path, size = entry
        where = self.repository_url(repository)
        html = f"{self.web}/{repository.full_name}"
        folder = kind == "tree"
        url = f"{where}/contents/{path}?ref={ref}"
        git_url = f"{where}/git/{'trees' if folder else 'blobs'}/{identity}"
        html_url = f"{html}/{'tree' if folder else 'blob'}/{ref}/{path}"
        shape: Json = {
            "type": "dir" if folder else "file",
            "name": path.rpartition("/")[2],
            "path": path,
            "sha": identity,
            "size": size or 0,
            "url": url,
            "html_url": html_url,
            "git_url": git_url,
            "download_url": None if folder else f"{html}/raw/{ref}/{path}",
            "_links": {"self": url, "git": git_url, "html": html_url},
        }
        if data is not None:
            shape |= {"encoding": "base64", "content": base64.encodebytes(data).decode()}
        return shape


def _rank(role: str) -> int:
    return ROLES.index(role) if role in ROLES else ROLES.index("read")


_REPOSITORY_URLS = {
    "forks": "forks",
    "keys": "keys{/key_id}",
    "collaborators": "collaborators{/collaborator}",
    "teams": "teams",
    "hooks": "hooks",
    "issue_events": "issues/events{/number}",
    "events": "events",
    "assignees": "assignees{/user}",
    "branches": "branches{/branch}",
    "tags": "tags",
    "blobs": "git/blobs{/sha}",
    "git_tags": "git/tags{/sha}",
    "git_refs": "git/refs{/sha}",
    "trees": "git/trees{/sha}",
    "statuses": "statuses/{sha}",
    "languages": "languages",
    "stargazers": "stargazers",
    "contributors": "contributors",
    "subscribers": "subscribers",
    "subscription": "subscription",
    "commits": "commits{/sha}",
    "git_commits": "git/commits{/sha}",
    "comments": "comments{/number}",
    "issue_comment": "issues/comments{/number}",
    "contents": "contents/{+path}",
    "compare": "compare/{base}...{head}",
    "merges": "merges",
    "archive": "{archive_format}{/ref}",
    "downloads": "downloads",
    "issues": "issues{/number}",
    "pulls": "pulls{/number}",
    "milestones": "milestones{/number}",
    "notifications": "notifications{?since,all,participating}",
    "labels": "labels{/name}",
    "releases": "releases{/id}",
    "deployments": "deployments",
}
