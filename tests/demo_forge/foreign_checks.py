"""Checks that somebody else makes on the local forge: Packit's, a pipeline's, a build system's."""

from __future__ import annotations

from typing import Literal

from bot.demo.forge.server import LocalForge
from bot.demo.forge.values import App, CheckRun, CommitStatus, Pipeline, Pull, now

Word = Literal["pending", "success", "failure"]
_GITLAB = {"pending": "running", "success": "success", "failure": "failed"}


async def report_check_run(
    forge: LocalForge, pull: Pull, app: App, name: str, word: Word, url: str = ""
) -> CheckRun:
    """Create an App's check run on the head; a completed one is delivered to all Apps."""
    state = forge.state
    runs = state.runs_of(pull.repository, pull.head_sha)
    run = next((r for r in runs if r.app is app and r.name == name), None)
    if run is None:
        run = state.add_check_run(pull.repository, app, pull.head_sha, name)
        run.fields["details_url"] = url
    over = word != "pending"
    run.status, run.conclusion = ("completed", word) if over else ("in_progress", None)
    run.completed_at = now() if over else None
    if over:
        payload = {"action": "completed", "check_run": forge.github.shapes.check_run(run)}
        await forge.github.send(pull.repository, "check_run", app.bot, lambda: payload)
    return run


def _added(
    forge: LocalForge, pull: Pull, name: str, word: str, url: str, user: str
) -> CommitStatus:
    creator, place = forge.state.user(user), (pull.repository, pull.head_sha)
    return forge.state.add_status(*place, word, name, creator, target_url=url or None)


async def report_status(
    forge: LocalForge, pull: Pull, name: str, word: Word, url: str = "", *, user: str = "packit"
) -> CommitStatus:
    """Set a commit status of GitHub on the head and deliver it to the Apps."""
    repository, status = pull.repository, _added(forge, pull, name, word, url, user)
    payload = {
        **forge.github.shapes.status(status, repository),
        "sha": status.sha,
        "name": repository.full_name,
        "branches": [],
    }
    await forge.github.send(repository, "status", status.creator, lambda: payload)
    return status


async def report_forgejo_status(
    forge: LocalForge, pull: Pull, name: str, word: Word, url: str = "", *, user: str = "packit"
) -> CommitStatus:
    """Set a commit status on the head and deliver it to the hooks as Gitea does."""
    status = _added(forge, pull, name, word, url, user)
    shape = forge.forgejo.shapes.status(status, pull.repository)
    payload = {**shape, "sha": status.sha, "state": word, "commit": None}
    await forge.forgejo.send(pull.repository, "status", status.creator, payload)
    return status


async def report_flag(
    forge: LocalForge, pull: Pull, name: str, word: Word, url: str = "", *, user: str = "packit"
) -> CommitStatus:
    """Set a flag on the head and announce it as Pagure does."""
    flag = _added(forge, pull, name, word, url, user)
    await forge.pagure.flagged(flag)
    return flag


async def report_gitlab_status(
    forge: LocalForge, pull: Pull, name: str, word: Word, url: str = "", *, user: str = "packit"
) -> Pipeline:
    """Set a commit status of GitLab on the head; its pipeline is delivered to the hooks."""
    status = _added(forge, pull, name, _GITLAB[word], url, user)
    place = (status.repository, status.sha, pull.head_branch)
    pipeline = Pipeline(next(forge.state.ids), *place, status.state, url)
    forge.state.pipelines.append(pipeline)
    await forge.gitlab.pipeline_moved(pipeline, status.creator)
    return pipeline
