"""The JSON objects of GitHub's REST API: pull requests, comments, reactions, statuses, checks."""

from __future__ import annotations

from collections.abc import Sequence

from bot.demo.forge.shape_accounts import Json, stamp
from bot.demo.forge.shape_repositories import RepositoryShapes
from bot.demo.forge.state import (
    CheckRun,
    Comment,
    CommitStatus,
    Pull,
    Reaction,
    Repository,
    User,
    node_id,
)

REACTIONS = ("+1", "-1", "laugh", "hooray", "confused", "heart", "rocket", "eyes")


class Shapes(RepositoryShapes):
    """Makes every object of the API."""

    __slots__ = ()

    def pull(self, pull: Pull, *, whole: bool = True) -> Json:
        """A pull request; `whole` adds what a list of them leaves out (counts, mergeable)."""
        repository = pull.repository
        url = f"{self.repository_url(repository)}/pulls/{pull.number}"
        issue = f"{self.repository_url(repository)}/issues/{pull.number}"
        html = f"{self.web}/{repository.full_name}/pull/{pull.number}"
        statuses = f"{self.repository_url(repository)}/statuses/{pull.head_sha}"
        links = {
            "self": url,
            "html": html,
            "issue": issue,
            "comments": f"{issue}/comments",
            "review_comments": f"{url}/comments",
            "review_comment": f"{self.repository_url(repository)}/pulls/comments{{/number}}",
            "commits": f"{url}/commits",
            "statuses": statuses,
        }
        shape: Json = {
            "url": url,
            "id": pull.id,
            "node_id": node_id("PR", pull.id),
            "html_url": html,
            "diff_url": f"{html}.diff",
            "patch_url": f"{html}.patch",
            "issue_url": issue,
            "number": pull.number,
            "state": pull.state,
            "locked": False,
            "title": pull.title,
            "user": self.user(pull.user),
            "body": pull.body,
            "created_at": stamp(pull.created_at),
            "updated_at": stamp(pull.updated_at),
            "closed_at": stamp(pull.closed_at),
            "merged_at": stamp(pull.closed_at) if pull.merged else None,
            "merge_commit_sha": pull.head_sha if pull.merged else None,
            "assignee": None,
            "assignees": [],
            "requested_reviewers": [],
            "requested_teams": [],
            "labels": [],
            "milestone": None,
            "draft": pull.draft,
            "commits_url": links["commits"],
            "review_comments_url": links["review_comments"],
            "review_comment_url": links["review_comment"],
            "comments_url": links["comments"],
            "statuses_url": statuses,
            "head": self._end(pull.head_repository, pull.head_branch, pull.head_sha, pull.user),
            "base": self._end(repository, pull.base_branch, pull.base_sha, repository.owner),
            "_links": {name: {"href": href} for name, href in links.items()},
            "author_association": association(repository, pull.user),
            "auto_merge": None,
            "active_lock_reason": None,
        }
        if whole:
            base = repository.git.merge_base(pull.base_sha, pull.head_sha)
            changes = repository.git.changes(base, pull.head_sha) if base else ()
            shape |= {
                "merged": pull.merged,
                "mergeable": None if pull.state == "closed" else True,
                "rebaseable": None if pull.state == "closed" else True,
                "mergeable_state": "unknown" if pull.state == "closed" else "clean",
                "merged_by": None,
                "comments": len(self.state.comments_of(pull)),
                "review_comments": 0,
                "maintainer_can_modify": False,
                "commits": len(repository.git.commits(base, pull.head_sha)),
                "additions": sum(change.additions for change in changes),
                "deletions": sum(change.deletions for change in changes),
                "changed_files": len(changes),
            }
        return shape

    def _end(self, repository: Repository | None, branch: str, sha: str, user: User) -> Json:
        owner = repository.owner if repository else user
        return {
            "label": f"{owner.login}:{branch}",
            "ref": branch,
            "sha": sha,
            "user": self.user(owner),
            "repo": self.repository(repository) if repository else None,
        }

    def issue(self, pull: Pull) -> Json:
        """The issue that a pull request also is, as `issue_comment` carries it."""
        repository = pull.repository
        url = f"{self.repository_url(repository)}/issues/{pull.number}"
        html = f"{self.web}/{repository.full_name}/pull/{pull.number}"
        return {
            "url": url,
            "repository_url": self.repository_url(repository),
            "labels_url": f"{url}/labels{{/name}}",
            "comments_url": f"{url}/comments",
            "events_url": f"{url}/events",
            "html_url": html,
            "id": pull.id,
            "node_id": node_id("PR", pull.id),
            "number": pull.number,
            "title": pull.title,
            "user": self.user(pull.user),
            "labels": [],
            "state": pull.state,
            "locked": False,
            "assignee": None,
            "assignees": [],
            "milestone": None,
            "comments": len(self.state.comments_of(pull)),
            "created_at": stamp(pull.created_at),
            "updated_at": stamp(pull.updated_at),
            "closed_at": stamp(pull.closed_at),
            "author_association": association(repository, pull.user),
            "active_lock_reason": None,
            "draft": pull.draft,
            "pull_request": {
                "url": f"{self.repository_url(repository)}/pulls/{pull.number}",
                "html_url": html,
                "diff_url": f"{html}.diff",
                "patch_url": f"{html}.patch",
                "merged_at": stamp(pull.closed_at) if pull.merged else None,
            },
            "body": pull.body,
            "reactions": self.rollup(url, self.state.pull_reactions.get(pull.id, [])),
            "timeline_url": f"{url}/timeline",
            "performed_via_github_app": None,
            "state_reason": None,
        }

    def comment(self, comment: Comment) -> Json:
        repository = comment.pull.repository
        url = f"{self.repository_url(repository)}/issues/comments/{comment.id}"
        issue = f"{self.repository_url(repository)}/issues/{comment.pull.number}"
        html = f"{self.web}/{repository.full_name}/pull/{comment.pull.number}"
        return {
            "url": url,
            "html_url": f"{html}#issuecomment-{comment.id}",
            "issue_url": issue,
            "id": comment.id,
            "node_id": node_id("IC", comment.id),
            "user": self.user(comment.user),
            "created_at": stamp(comment.created_at),
            "updated_at": stamp(comment.updated_at),
            "author_association": association(repository, comment.user),
            "body": comment.body,
            "reactions": self.rollup(url, comment.reactions),
            "performed_via_github_app": self.app(comment.app) if comment.app else None,
        }

    def reaction(self, reaction: Reaction) -> Json:
        return {
            "id": reaction.id,
            "node_id": node_id("REA", reaction.id),
            "user": self.user(reaction.user),
            "content": reaction.content,
            "created_at": stamp(reaction.at),
        }

    def rollup(self, url: str, reactions: Sequence[Reaction]) -> Json:
        """How many reactions of each kind an object has."""
        counts = dict.fromkeys(REACTIONS, 0)
        for reaction in reactions:
            counts[reaction.content] += 1
        return {"url": f"{url}/reactions", "total_count": len(reactions), **counts}

    def status(self, status: CommitStatus, repository: Repository) -> Json:
        return {
            "url": f"{self.repository_url(repository)}/statuses/{status.sha}",
            "avatar_url": f"{self.web}/avatars/{status.creator.id}",
            "id": status.id,
            "node_id": node_id("SC", status.id),
            "state": status.state,
            "description": status.description,
            "target_url": status.target_url,
            "context": status.context,
            "created_at": stamp(status.at),
            "updated_at": stamp(status.at),
            "creator": self.user(status.creator),
        }

    def check_run(self, run: CheckRun) -> Json:
        url = f"{self.repository_url(run.repository)}/check-runs/{run.id}"
        html = f"{self.web}/{run.repository.full_name}/runs/{run.id}"
        output = run.fields.get("output") or {}
        pulls = [
            p
            for p in self.state.pulls
            if p.repository is run.repository and p.head_sha == run.head_sha
        ]
        return {
            "id": run.id,
            "node_id": node_id("CR", run.id),
            "head_sha": run.head_sha,
            "external_id": run.fields.get("external_id") or "",
            "url": url,
            "html_url": html,
            "details_url": run.fields.get("details_url") or html,
            "status": run.status,
            "conclusion": run.conclusion,
            "started_at": stamp(run.started_at),
            "completed_at": stamp(run.completed_at),
            "output": {
                "title": output.get("title"),
                "summary": output.get("summary"),
                "text": output.get("text"),
                "annotations_count": len(output.get("annotations") or ()),
                "annotations_url": f"{url}/annotations",
            },
            "name": run.name,
            "check_suite": {"id": run.id + 1},
            "app": self.app(run.app),
            "pull_requests": [self._pull_of_run(pull) for pull in pulls],
        }

    def _pull_of_run(self, pull: Pull) -> Json:
        def end(ref: str, sha: str, repository: Repository) -> Json:
            url = self.repository_url(repository)
            brief = {"id": repository.id, "url": url, "name": repository.name}
            return {"ref": ref, "sha": sha, "repo": brief}

        return {
            "url": f"{self.repository_url(pull.repository)}/pulls/{pull.number}",
            "id": pull.id,
            "number": pull.number,
            "head": end(pull.head_branch, pull.head_sha, pull.head_repository or pull.repository),
            "base": end(pull.base_branch, pull.base_sha, pull.repository),
        }


def association(repository: Repository, user: User) -> str:
    """GitHub's name for the user's role in the repository."""
    if user.login == repository.owner.login:
        return "OWNER"
    role = repository.roles.get(user.login)
    if role in ("write", "maintain", "admin"):
        return "MEMBER" if repository.owner.kind == "Organization" else "COLLABORATOR"
    return "COLLABORATOR" if role == "triage" else "NONE"
