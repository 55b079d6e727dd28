"""The JSON objects of Pagure's REST API and webhooks.

Field names and types are those of Pagure 5.14, as a test checks; fields for features that this
forge lacks (tags, milestones, close statuses) are empty.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from bot.demo.forge.state import StateShapes
from bot.demo.forge.values import Comment, CommitStatus, Issue, Json, Pull, Repository, User

# The forge's roles by Pagure's names of access; users without one may read public projects.
ACCESS = {"triage": "ticket", "write": "commit", "maintain": "commit", "admin": "admin"}
_LEVELS = ("admin", "commit", "collaborator", "ticket")


def stamp(at: datetime | None) -> str | None:
    """Seconds since 1970 as text, with a fraction as in newer versions."""
    return f"{at.timestamp():.6f}" if at else None


def full_name(repository: Repository) -> str:
    """A project's full name: a fork's begins with `forks` and its owner."""
    parent = repository.parent
    if parent is None:
        return repository.full_name
    return f"forks/{repository.owner.login}/{parent.full_name}"


@dataclass(frozen=True, slots=True)
class PagureShapes(StateShapes):
    """Maker of the objects; `web` is the forge's address."""

    def user(self, user: User) -> Json:
        path = f"user/{user.login}"
        return {
            "name": user.login,
            "fullname": user.login.title(),
            "url_path": path,
            "full_url": f"{self.web}/{path}",
        }

    def project(self, repository: Repository) -> Json:
        name = full_name(repository)
        path = name.replace("forks/", "fork/", 1) if repository.parent else name
        users: dict[str, list[str]] = {level: [] for level in _LEVELS}
        for login, role in repository.roles.items():
            if role in ACCESS:
                users[ACCESS[role]].append(login)
        created = stamp(repository.created_at)
        return {
            "id": repository.id,
            "name": repository.name,
            "fullname": name,
            "url_path": path,
            "full_url": f"{self.web}/{path}",
            "description": repository.name,
            "namespace": (repository.parent or repository).owner.login,
            "parent": self.project(repository.parent) if repository.parent else None,
            "date_created": created,
            "date_modified": created,
            "user": self.user(repository.owner),
            "access_users": {"owner": [repository.owner.login], **users},
            "access_groups": {level: [] for level in _LEVELS},
            "tags": [],
            "priorities": {},
            "custom_keys": [],
            "close_status": [],
            "milestones": {},
        }

    def pull_page(self, pull: Pull) -> str:
        return f"{self.web}/{full_name(pull.repository)}/pull-request/{pull.number}"

    def pull(self, pull: Pull, *, comments: bool = True) -> Json:
        source = pull.head_repository
        items = self.state.comments_of(pull) if comments else []
        return {
            "id": pull.number,
            "uid": f"{pull.id:032x}",
            "title": pull.title,
            "branch": pull.base_branch,
            "project": self.project(pull.repository),
            "branch_from": pull.head_branch,
            "repo_from": self.project(source) if source else None,
            "remote_git": None,
            "date_created": stamp(pull.created_at),
            "updated_on": stamp(pull.updated_at),
            "last_updated": stamp(pull.updated_at),
            "closed_at": stamp(pull.closed_at),
            "user": self.user(pull.user),
            "assignee": None,
            "status": self.status_of(pull),
            "commit_start": pull.head_sha,
            "commit_stop": pull.head_sha,
            "closed_by": None,
            "initial_comment": pull.body,
            "cached_merge_status": "unknown",
            "threshold_reached": None,
            "tags": [],
            "full_url": self.pull_page(pull),
            "comments": [self.comment(comment) for comment in items],
        }

    @staticmethod
    def status_of(pull: Pull) -> str:
        if pull.state == "open":
            return "Open"
        return "Merged" if pull.merged else "Closed"

    def comment(self, comment: Comment) -> Json:
        first, newest = comment.versions[0], comment.versions[-1]
        edited = first is not newest
        return {
            "id": comment.id,
            "commit": None,
            "tree": None,
            "filename": None,
            "line": None,
            "comment": newest.body,
            "parent": None,
            "date_created": stamp(first.at),
            "user": self.user(comment.user),
            "edited_on": stamp(newest.at) if edited else None,
            "editor": self.user(newest.by) if edited else None,
            "notification": False,
            "reactions": {},
        }

    def flag(self, status: CommitStatus) -> Json:
        at = stamp(status.at)
        return {
            "commit_hash": status.sha,
            "username": status.context,
            "percent": None,
            "comment": status.description,
            "status": status.state,
            "url": status.target_url,
            "date_created": at,
            "date_updated": at,
            "user": self.user(status.creator),
        }

    def issue(self, issue: Issue) -> Json:
        """An issue; later texts are comments, as the API cannot edit."""
        texts = [body for body, _ in groupby(body for _, body, _ in issue.versions)]
        updated = stamp(issue.updated_at)
        return {
            "id": issue.number,
            "title": issue.title,
            "content": texts[0],
            "status": "Open" if issue.state == "open" else "Closed",
            "user": self.user(issue.user),
            "date_created": stamp(issue.created_at),
            "last_updated": updated,
            "full_url": f"{self.web}/{full_name(issue.repository)}/issue/{issue.number}",
            "comments": [
                {"comment": text, "user": self.user(issue.user), "notification": False}
                for text in texts[1:]
            ],
        }
