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
    """Makes an App's check run on the head; what is over is delivered to all Apps."""
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


async def report_status(
    forge: LocalForge, pull: Pull, name: str, word: Word, url: str = "", *, user: str = "packit"
) -> CommitStatus:
    """Puts a commit status on the head, as GitHub has it, and delivers it to the Apps."""
    repository, creator = pull.repository, forge.state.user(user)
    status = forge.state.add_status(
        repository, pull.head_sha, word, name, creator, target_url=url or None
    )
    payload = {
        **forge.github.shapes.status(status, repository),
        "sha": status.sha,
        "name": repository.full_name,
        "branches": [],
    }
    await forge.github.send(repository, "status", creator, lambda: payload)
    return status


async def report_forgejo_status(
    forge: LocalForge, pull: Pull, name: str, word: Word, url: str = "", *, user: str = "packit"
) -> CommitStatus:
    """Puts a commit status on the head, and delivers it to the hooks as Gitea does."""
    repository, creator = pull.repository, forge.state.user(user)
    status = forge.state.add_status(
        repository, pull.head_sha, word, name, creator, target_url=url or None
    )
    shape = forge.forgejo.shapes.status(status, repository)
    payload = {**shape, "sha": status.sha, "state": word, "commit": None}
    await forge.forgejo.send(repository, "status", creator, payload)
    return status


async def report_flag(
    forge: LocalForge, pull: Pull, name: str, word: Word, url: str = "", *, user: str = "packit"
) -> CommitStatus:
    """Puts a flag on the head, and announces it as Pagure does."""
    flag = forge.state.add_status(
        pull.repository, pull.head_sha, word, name, forge.state.user(user), target_url=url or None
    )
    await forge.pagure.flagged(flag)
    return flag


async def report_gitlab_status(
    forge: LocalForge, pull: Pull, name: str, word: Word, url: str = "", *, user: str = "packit"
) -> Pipeline:
    """Puts a commit status on the head as GitLab has it; its pipeline is delivered to the hooks."""
    state = forge.state
    creator, repository, status = state.user(user), pull.repository, _GITLAB[word]
    state.add_status(repository, pull.head_sha, status, name, creator, target_url=url or None)
    pipeline = Pipeline(next(state.ids), repository, pull.head_sha, pull.head_branch, status, url)
    state.pipelines.append(pipeline)
    await forge.gitlab.pipeline_moved(pipeline, creator)
    return pipeline
