"""The JSON objects of GitHub's REST API: pull requests, issues, comments, statuses, check runs."""

from __future__ import annotations

from collections.abc import Sequence

from bot.demo.forge.github.account_shapes import AccountShapes, node_id, stamp, urls
from bot.demo.forge.gitstore import ZERO
from bot.demo.forge.values import (
    CheckRun,
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

REACTIONS = ("+1", "-1", "laugh", "hooray", "confused", "heart", "rocket", "eyes")
# Fields that are the same for every object here.
_NOBODY: Json = {"assignee": None, "assignees": [], "labels": [], "milestone": None}
_UNLOCKED = {**_NOBODY, "locked": False, "active_lock_reason": None}


class Shapes(AccountShapes):
    """Maker of all objects of the API."""

    __slots__ = ()

    def pull(self, pull: Pull, *, whole: bool = True) -> Json:
        """A pull request; `whole` adds fields that lists leave out (counts, mergeable)."""
        repository = pull.repository
        where = self.repository_url(repository)
        url, issue = f"{where}/pulls/{pull.number}", f"{where}/issues/{pull.number}"
        links = {
            "comments": f"{issue}/comments",
            "review_comments": f"{url}/comments",
            "review_comment": f"{where}/pulls/comments{{/number}}",
            "commits": f"{url}/commits",
            "statuses": f"{where}/statuses/{pull.head_sha}",
        }
        own = {"self": url, "html": self._pull_page(pull), "issue": issue, **links}
        shape: Json = {
            "url": url,
            **self._common(pull, "PR"),
            **self._addresses(pull),
            "issue_url": issue,
            "user": self.user(pull.user),
            "closed_at": stamp(pull.closed_at),
            "merge_commit_sha": pull.head_sha if pull.merged else None,
            "requested_reviewers": [],
            "requested_teams": [],
            "draft": pull.draft,
            **{f"{name}_url": link for name, link in links.items()},
            "head": self._end(pull.head_repository, pull.head_branch, pull.head_sha, pull.user),
            "base": self._end(repository, pull.base_branch, pull.base_sha, repository.owner),
            "_links": {name: {"href": href} for name, href in own.items()},
            "auto_merge": None,
        }
        if whole:
            base = repository.git.merge_base(pull.base_sha, pull.head_sha)
            changes = repository.git.changes(base, pull.head_sha) if base else ()
            mergeable = None if pull.state == "closed" else True
            shape |= {
                "merged": pull.merged,
                "mergeable": mergeable,
                "rebaseable": mergeable,
                "mergeable_state": "clean" if mergeable else "unknown",
                "merged_by": None,
                "comments": len(self.state.comments_of(pull)),
                "review_comments": len(self.state.line_comments_of(pull)),
                "maintainer_can_modify": False,
                "commits": len(repository.git.commits(base, pull.head_sha)),
                "additions": sum(change.additions for change in changes),
                "deletions": sum(change.deletions for change in changes),
                "changed_files": len(changes),
            }
        return shape

    def _pull_page(self, pull: Pull) -> str:
        return f"{self.web}/{pull.repository.full_name}/pull/{pull.number}"

    def _addresses(self, pull: Pull) -> Json:
        """The fields that a pull request and the `pull_request` of its issue share."""
        html = self._pull_page(pull)
        return {
            "html_url": html,
            "diff_url": f"{html}.diff",
            "patch_url": f"{html}.patch",
            "merged_at": stamp(pull.closed_at) if pull.merged else None,
        }

    def _common(self, item: Pull | Issue, prefix: str) -> Json:
        """The fields that pull requests and issues share."""
        return {
            **_UNLOCKED,
            "id": item.id,
            "node_id": node_id(prefix, item.id),
            "number": item.number,
            "title": item.title,
            "body": item.body,
            "state": item.state,
            "user": self.user(item.user),
            "created_at": stamp(item.created_at),
            "updated_at": stamp(item.updated_at),
            "author_association": association(item.repository, item.user),
        }

    def _end(self, repository: Repository | None, branch: str, sha: str, user: User) -> Json:
        owner = repository.owner if repository else user
        return {
            "label": f"{owner.login}:{branch}",
            "ref": branch,
            "sha": sha,
            "user": self.user(owner),
            "repo": self.repository(repository) if repository else None,
        }

    def issue(self, item: Pull | Issue) -> Json:
        """An issue, or that of a pull request, as in `issue_comment`."""
        where = self.repository_url(item.repository)
        url = f"{where}/issues/{item.number}"
        shape: Json = {
            **self._common(item, "I" if isinstance(item, Issue) else "PR"),
            "url": url,
            "repository_url": where,
            **urls(url, "labels{/name} comments events timeline"),
            "performed_via_github_app": None,
        }
        if isinstance(item, Issue):
            html = f"{self.web}/{item.repository.full_name}/issues/{item.number}"
            closed = stamp(item.updated_at) if item.state == "closed" else None
            fields = {"html_url": html, "comments": 0, "state_reason": item.reason}
            return {**shape, **fields, "closed_at": closed, "reactions": self._rollup(url, [])}
        addresses = self._addresses(item)
        return {
            **shape,
            "html_url": addresses["html_url"],
            "comments": len(self.state.comments_of(item)),
            "closed_at": stamp(item.closed_at),
            "draft": item.draft,
            "pull_request": {"url": f"{where}/pulls/{item.number}", **addresses},
            "reactions": self._rollup(url, self.state.reactions_of(item)),
            "state_reason": None,
        }

    def comment(self, comment: Comment) -> Json:
        pull = comment.pull
        where = self.repository_url(pull.repository)
        url = f"{where}/issues/comments/{comment.id}"
        return {
            "url": url,
            "html_url": f"{self._pull_page(pull)}#issuecomment-{comment.id}",
            "issue_url": f"{where}/issues/{pull.number}",
            "id": comment.id,
            "node_id": node_id("IC", comment.id),
            "user": self.user(comment.user),
            "created_at": stamp(comment.created_at),
            "updated_at": stamp(comment.updated_at),
            "author_association": association(pull.repository, comment.user),
            "body": comment.body,
            "reactions": self._rollup(url, comment.reactions),
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

    def _rollup(self, url: str, reactions: Sequence[Reaction]) -> Json:
        """The numbers of reactions to an object, by kind."""
        kinds = [reaction.content for reaction in reactions]
        counts = {kind: kinds.count(kind) for kind in REACTIONS}
        return {"url": f"{url}/reactions", "total_count": len(kinds), **counts}

    # Checks

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
                **{name: output.get(name) for name in ("title", "summary", "text")},
                "annotations_count": len(output.get("annotations") or ()),
                "annotations_url": f"{url}/annotations",
            },
            "name": run.name,
            "check_suite": {"id": run.id + 1},
            "app": self.app(run.app),
            "pull_requests": [
                self._brief_pull(pull)
                for pull in self.state.pulls
                if pull.repository is run.repository and pull.head_sha == run.head_sha
            ],
        }

    def activity(self, push: Push) -> Json:
        kind = "force_push" if push.forced else "push"
        kind = {push.before: "branch_creation", push.after: "branch_deletion"}.get(ZERO, kind)
        return {
            "id": push.id,
            "node_id": node_id("PSH_", push.id),
            "before": push.before,
            "after": push.after,
            "ref": f"refs/heads/{push.branch}",
            "timestamp": stamp(push.at),
            "activity_type": kind,
            "actor": self.user(push.user),
        }

    def _brief_pull(self, pull: Pull) -> Json:
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
