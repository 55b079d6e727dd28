"""The JSON objects of Forgejo's REST API and webhooks.

Field names and types are those of Forgejo's OpenAPI description (`/swagger.v1.json` of an
instance); fields for features that this forge lacks (labels, milestones, wikis) are empty.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime

from bot.demo.forge.gitstore import ZERO, Commit, FileChange
from bot.demo.forge.state import StateShapes
from bot.demo.forge.values import (
    ROLES,
    Comment,
    CommitStatus,
    Issue,
    Json,
    Pull,
    Push,
    Reaction,
    Repository,
    User,
)

# The forge's roles by Forgejo's names, which has no triage and no maintain.
PERMISSIONS = {
    "none": "none",
    "read": "read",
    "triage": "read",
    "write": "write",
    "maintain": "write",
    "admin": "admin",
}
_NOBODY: Json = {
    "assignee": None,
    "assignees": None,
    "labels": [],
    "milestone": None,
    "due_date": None,
    "is_locked": False,
    "pin_order": 0,
}


def stamp(at: datetime | None) -> str | None:
    """RFC 3339 in the server's time zone: here UTC, with an offset."""
    return at.isoformat() if at else None


@dataclass(frozen=True, slots=True)
class ForgejoShapes(StateShapes):
    """Maker of the objects; `web` is the forge's address."""

    def user(self, user: User) -> Json:
        return {
            "id": user.id,
            "login": user.login,
            "login_name": "",
            "source_id": 0,
            "full_name": "",
            "email": f"{user.login}@noreply.example.org",
            "avatar_url": f"{self.web}/avatars/{user.id}",
            "html_url": f"{self.web}/{user.login}",
            "language": "",
            "is_admin": False,
            "active": True,
            "restricted": False,
            "prohibit_login": False,
            "visibility": "public",
        }

    def permission(self, repository: Repository, user: User) -> str:
        """The user's permission on a repository, by Forgejo's name."""
        if user.login == repository.owner.login:
            return "owner"
        return PERMISSIONS[repository.role(user)]

    def repository(self, repository: Repository, viewer: User | None = None) -> Json:
        """A repository, with the viewer's permissions."""
        html = f"{self.web}/{repository.full_name}"
        rank = ROLES.index(repository.role(viewer))
        created = stamp(repository.created_at)
        return {
            "id": repository.id,
            "owner": self.user(repository.owner),
            "name": repository.name,
            "full_name": repository.full_name,
            "description": "",
            "private": repository.private,
            "internal": False,
            "fork": repository.parent is not None,
            "archived": repository.archived,
            "html_url": html,
            "clone_url": f"{html}.git",
            "url": self._api(repository),
            "default_branch": repository.default_branch,
            "object_format_name": "sha1",
            "created_at": created,
            "updated_at": created,
            "permissions": {
                "admin": rank >= ROLES.index("admin"),
                "push": rank >= ROLES.index("write"),
                "pull": rank >= ROLES.index("read"),
            },
        }

    def pull_page(self, pull: Pull) -> str:
        return f"{self.web}/{pull.repository.full_name}/pulls/{pull.number}"

    def pull(self, pull: Pull) -> Json:
        html, git = self.pull_page(pull), pull.repository.git
        tip = git.branch(pull.base_branch) or pull.base_sha
        merged = stamp(pull.closed_at) if pull.merged else None
        return {
            **_NOBODY,
            **self._common(pull),
            "url": html,
            "html_url": html,
            "diff_url": f"{html}.diff",
            "patch_url": f"{html}.patch",
            "draft": pull.draft,
            "mergeable": pull.state == "open",
            "merged": pull.merged,
            "merged_at": merged,
            "merged_by": None,
            "merge_commit_sha": pull.head_sha if pull.merged else None,
            "merge_base": git.merge_base(pull.base_sha, pull.head_sha) or "",
            "allow_maintainer_edit": False,
            "base": self._end(pull.repository, pull.base_branch, tip),
            "head": self._end(pull.head_repository, pull.head_branch, pull.head_sha),
            "requested_reviewers": None,
            "requested_reviewers_teams": None,
            "flow": 1 if pull.head_branch.startswith("refs/pull/") else 0,
        }

    def _common(self, item: Pull | Issue) -> Json:
        """The fields that pull requests and issues share."""
        closed = item.closed_at if isinstance(item, Pull) else item.updated_at
        return {
            "id": item.id,
            "number": item.number,
            "user": self.user(item.user),
            "title": item.title,
            "body": item.body or "",
            "state": item.state,
            "comments": len(self.state.comments_of(item)) if isinstance(item, Pull) else 0,
            "created_at": stamp(item.created_at),
            "updated_at": stamp(item.updated_at),
            "closed_at": stamp(closed) if item.state == "closed" else None,
        }

    def _end(self, repository: Repository | None, branch: str, sha: str) -> Json:
        shape = self.repository(repository) if repository else None
        number = repository.id if repository else -1
        return {"label": branch, "ref": branch, "sha": sha, "repo_id": number, "repo": shape}

    def issue(self, item: Pull | Issue) -> Json:
        """An issue, or that of a pull request."""
        repository = item.repository
        kind = "issues" if isinstance(item, Issue) else "pulls"
        shape: Json = {
            **_NOBODY,
            **self._common(item),
            "url": f"{self._api(repository)}/issues/{item.number}",
            "html_url": f"{self.web}/{repository.full_name}/{kind}/{item.number}",
            "original_author": "",
            "original_author_id": 0,
            "assets": [],
            "ref": "",
            "pull_request": None,
            "repository": {
                "id": repository.id,
                "name": repository.name,
                "owner": repository.owner.login,
                "full_name": repository.full_name,
            },
        }
        if isinstance(item, Pull):
            merged = stamp(item.closed_at) if item.merged else None
            meta = {"merged": item.merged, "merged_at": merged, "draft": item.draft}
            shape["pull_request"] = {**meta, "html_url": shape["html_url"]}
        return shape

    def comment(self, comment: Comment) -> Json:
        page = self.pull_page(comment.pull)
        return {
            "id": comment.id,
            "html_url": f"{page}#issuecomment-{comment.id}",
            "pull_request_url": page,
            "issue_url": "",
            "user": self.user(comment.user),
            "original_author": "",
            "original_author_id": 0,
            "body": comment.body,
            "assets": [],
            "created_at": stamp(comment.created_at),
            "updated_at": stamp(comment.updated_at),
        }

    def reaction(self, reaction: Reaction) -> Json:
        user = self.user(reaction.user)
        return {"user": user, "content": reaction.content, "created_at": stamp(reaction.at)}

    def status(self, status: CommitStatus, repository: Repository) -> Json:
        return {
            "id": status.id,
            "status": status.state,
            "target_url": status.target_url or "",
            "description": status.description or "",
            "url": f"{self._api(repository)}/statuses/{status.sha}",
            "context": status.context,
            "creator": self.user(status.creator),
            "created_at": stamp(status.at),
            "updated_at": stamp(status.at),
        }

    def file(self, repository: Repository, change: FileChange, sha: str) -> Json:
        tail = f"commit/{sha}/{change.path}"
        html = f"{self.web}/{repository.full_name}"
        contents = f"{self._api(repository)}/contents/{change.path}?ref={sha}"
        shape: Json = {
            "filename": change.path,
            "status": {"modified": "changed", "removed": "deleted"}.get(change.state, change.state),
            "additions": change.additions,
            "deletions": change.deletions,
            "changes": change.additions + change.deletions,
            "html_url": f"{html}/src/{tail}",
            "contents_url": contents,
            "raw_url": f"{html}/raw/{tail}",
        }
        if change.previous is not None:
            shape["previous_filename"] = change.previous
        return shape

    def commit(self, repository: Repository, commit: Commit) -> Json:
        """A commit of a list of them."""
        person = {"name": commit.author, "email": commit.email, "date": commit.at.isoformat()}
        url = f"{self._api(repository)}/git/commits/{commit.sha}"
        tree = {"url": "", "sha": commit.tree, "created": stamp(commit.at)}
        inner = {"url": url, "author": person, "committer": person, "message": commit.message}
        return {
            "url": url,
            "sha": commit.sha,
            "created": stamp(commit.at),
            "html_url": f"{self.web}/{repository.full_name}/commit/{commit.sha}",
            "commit": {**inner, "tree": tree, "verification": None},
            "author": None,
            "committer": None,
            "parents": [{"url": "", "sha": parent, "created": None} for parent in commit.parents],
            "files": None,
            "stats": None,
        }

    def activity(self, push: Push) -> Json:
        """A push in a repository's feed, with its commits as JSON text."""
        deleted = push.after == ZERO
        head = {"Sha1": push.after, "Message": ""}
        content = {"Commits": [head], "HeadCommit": head, "CompareURL": "", "Len": 1}
        return {
            "id": push.id,
            "user_id": push.user.id,
            "op_type": "delete_branch" if deleted else "commit_repo",
            "act_user_id": push.user.id,
            "act_user": self.user(push.user),
            "repo_id": push.repository.id,
            "repo": self.repository(push.repository),
            "comment_id": 0,
            "comment": None,
            "ref_name": f"refs/heads/{push.branch}",
            "is_private": push.repository.private,
            "content": "" if deleted else json.dumps(content),
            "created": stamp(push.at),
        }

    def _api(self, repository: Repository) -> str:
        return f"{self.web}/api/v1/repos/{repository.full_name}"
