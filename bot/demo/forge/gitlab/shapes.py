"""GitLab's JSON objects, with the fields that its documentation lists for each."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from bot.demo.forge.gitstore import ZERO, FileChange
from bot.demo.forge.state import StateShapes
from bot.demo.forge.values import (
    Comment,
    CommitStatus,
    Issue,
    Json,
    Pipeline,
    Pull,
    Push,
    Reaction,
    Repository,
    User,
)

LEVELS = {"none": 0, "read": 10, "triage": 20, "write": 30, "maintain": 40, "admin": 50}
# Emoji: GitLab's names to GitHub's, which the forge's state has.
EMOJI = {
    "thumbsup": "+1",
    "thumbsdown": "-1",
    "eyes": "eyes",
    "confused": "confused",
    "white_check_mark": "hooray",
}


def stamp(at: datetime | None) -> str | None:
    """A time in the format of GitLab's API."""
    return None if at is None else at.strftime("%Y-%m-%dT%H:%M:%S.000Z")


@dataclass(frozen=True, slots=True)
class GitLabShapes(StateShapes):
    """Maker of the objects; `web` is the instance's URL."""

    def user(self, user: User) -> Json:
        return {
            "id": user.id,
            "username": user.login,
            "name": user.login.title(),
            "state": "active",
            "locked": False,
            "avatar_url": f"{self.web}/avatars/{user.id}",
            "web_url": f"{self.web}/{user.login}",
        }

    def whole_user(self, user: User) -> Json:
        return {**self.user(user), "bot": user.kind == "Bot", "created_at": None, "bio": ""}

    def project(self, repository: Repository) -> Json:
        path = repository.path_with_namespace
        space, _, name = path.rpartition("/")
        parent = repository.parent
        return {
            "id": repository.id,
            "name": name,
            "path": name,
            "path_with_namespace": path,
            "name_with_namespace": path.replace("/", " / "),
            "description": None,
            "default_branch": repository.default_branch,
            "visibility": "private" if repository.private else "public",
            "archived": repository.archived,
            "created_at": stamp(repository.created_at),
            "web_url": f"{self.web}/{path}",
            "http_url_to_repo": f"{self.web}/{path}.git",
            "ssh_url_to_repo": f"git@localhost:{path}.git",
            "namespace": {"id": repository.owner.id, "kind": "group", "full_path": space},
            **({"forked_from_project": {"id": parent.id}} if parent else {}),
        }

    def member(self, repository: Repository, user: User) -> Json | None:
        """A member, also by inheritance; None if the user is none."""
        role = repository.roles.get(user.login, "none")
        level = 50 if user is repository.owner else LEVELS[role]
        if not level:
            return None
        membership = {"access_level": level, "expires_at": None, "membership_state": "active"}
        return {**self.user(user), **membership}

    def branch(self, repository: Repository, name: str) -> Json | None:
        sha = repository.git.branch(name)
        if sha is None:
            return None
        commit = repository.git.one_commit(sha)
        return {
            "name": name,
            "default": name == repository.default_branch,
            "protected": False,
            "merged": False,
            "commit": {"id": sha, "short_id": sha[:8], "title": commit.message.partition("\n")[0]},
            "web_url": f"{self.web}/{repository.path_with_namespace}/-/tree/{name}",
        }

    def merge_url(self, pull: Pull) -> str:
        return f"{self.web}/{pull.repository.path_with_namespace}/-/merge_requests/{pull.number}"

    def merge_request(self, pull: Pull) -> Json:
        base = pull.repository.git.merge_base(pull.base_sha, pull.head_sha)
        source = pull.head_repository
        state = "merged" if pull.merged else {"open": "opened", "closed": "closed"}[pull.state]
        return {
            "id": pull.id,
            "iid": pull.number,
            "project_id": pull.repository.id,
            "title": pull.title,
            "description": pull.body,
            "state": state,
            "draft": pull.draft,
            "work_in_progress": pull.draft,
            "author": self.user(pull.user),
            "source_branch": pull.head_branch,
            "target_branch": pull.base_branch,
            "source_project_id": source.id if source else None,
            "target_project_id": pull.repository.id,
            "sha": pull.head_sha,
            "diff_refs": {
                "base_sha": base,
                "head_sha": pull.head_sha,
                "start_sha": pull.base_sha,
            },
            "merge_status": "can_be_merged",
            "detailed_merge_status": "mergeable",
            "created_at": stamp(pull.created_at),
            "updated_at": stamp(pull.updated_at),
            "closed_at": None if pull.merged else stamp(pull.closed_at),
            "merged_at": stamp(pull.closed_at) if pull.merged else None,
            # A fast-forward merge has no merge commit.
            "merge_commit_sha": None,
            "squash_commit_sha": None,
            "web_url": self.merge_url(pull),
            "user_notes_count": len(self.state.all_comments_of(pull)),
        }

    def diff(self, change: FileChange) -> Json:
        return {
            "old_path": change.previous or change.path,
            "new_path": change.path,
            "a_mode": "100644",
            "b_mode": "100644",
            "new_file": change.state == "added",
            "renamed_file": change.previous is not None,
            "deleted_file": change.state == "removed",
            "generated_file": False,
            "diff": change.patch or "",
        }

    def note(self, comment: Comment) -> Json:
        return {
            "id": comment.id,
            "type": None,
            "body": comment.body,
            "author": self.user(comment.user),
            "created_at": stamp(comment.created_at),
            "updated_at": stamp(comment.updated_at),
            "system": False,
            "noteable_id": comment.pull.id,
            "noteable_iid": comment.pull.number,
            "noteable_type": "MergeRequest",
            "project_id": comment.pull.repository.id,
            "resolvable": False,
            "confidential": False,
            "internal": False,
        }

    def award(self, reaction: Reaction, target: Comment | Pull) -> Json:
        """An emoji on a note or on a merge request."""
        names = {content: name for name, content in EMOJI.items()}
        return {
            "id": reaction.id,
            "name": names.get(reaction.content, reaction.content),
            "user": self.user(reaction.user),
            "created_at": stamp(reaction.at),
            "updated_at": stamp(reaction.at),
            "awardable_id": target.id,
            "awardable_type": "Note" if isinstance(target, Comment) else "MergeRequest",
        }

    def status(self, status: CommitStatus) -> Json:
        return {
            "id": status.id,
            "sha": status.sha,
            "ref": status.ref,
            "status": status.state,
            "name": status.context,
            "target_url": status.target_url,
            "description": status.description,
            "created_at": stamp(status.at),
            "started_at": stamp(status.at),
            "finished_at": stamp(status.at) if status.state in ("success", "failed") else None,
            "allow_failure": False,
            "coverage": None,
            "author": self.user(status.creator),
        }

    def issue(self, issue: Issue) -> Json:
        path = issue.repository.path_with_namespace
        return {
            "id": issue.id,
            "iid": issue.number,
            "project_id": issue.repository.id,
            "title": issue.title,
            "description": issue.body,
            "state": "opened" if issue.state == "open" else "closed",
            "author": self.user(issue.user),
            "created_at": stamp(issue.created_at),
            "updated_at": stamp(issue.updated_at),
            "closed_at": stamp(issue.updated_at) if issue.state == "closed" else None,
            "labels": [],
            "confidential": False,
            "web_url": f"{self.web}/{path}/-/issues/{issue.number}",
        }

    def push_event(self, push: Push) -> Json:
        action = {push.before: "created", push.after: "removed"}.get(ZERO, "pushed")
        return {
            "id": push.id,
            "project_id": push.repository.id,
            "action_name": "pushed new" if action == "created" else "pushed to",
            "target_id": None,
            "target_type": None,
            "author_id": push.user.id,
            "author": self.user(push.user),
            "author_username": push.user.login,
            "created_at": stamp(push.at),
            "push_data": {
                "commit_count": 1,
                "action": action,
                "ref_type": "branch",
                "commit_from": None if push.before == ZERO else push.before,
                "commit_to": None if push.after == ZERO else push.after,
                "ref": push.branch,
                "commit_title": None,
            },
        }

    def pipeline(self, pipeline: Pipeline) -> Json:
        return {
            "id": pipeline.id,
            "iid": 1,
            "project_id": pipeline.repository.id,
            "sha": pipeline.sha,
            "ref": pipeline.ref,
            "status": pipeline.status,
            "source": "external",
            "name": pipeline.name,
            "created_at": stamp(pipeline.at),
            "updated_at": stamp(pipeline.at),
            "web_url": pipeline.url,
        }
