"""Checks that somebody else makes on the local forge: Packit's, a pipeline's, a build system's."""

from __future__ import annotations

from typing import Literal

from bot.demo.forge.gitlab.rest_pipelines import Pipeline
from bot.demo.forge.server import LocalForge
from bot.demo.forge.state import App, CheckRun, CommitStatus, Pull, now

Word = Literal["pending", "success", "failure"]
_GITLAB = {"pending": "running", "success": "success", "failure": "failed"}


async def report_check_run(
    forge: LocalForge, pull: Pull, app: App, name: str, word: Word, url: str = ""
) -> CheckRun:
    """Makes an App's check run on the head say this; what is over is delivered to all Apps."""
    state = forge.state
    runs = state.runs_of(pull.repository, pull.head_sha)
    run = next((r for r in runs if r.app is app and r.name == name), None)
    if run is None:
        identity = next(state.ids)
        next(state.ids)  # the check suite's id
        run = CheckRun(identity, pull.repository, app, pull.head_sha, name, {"details_url": url})
        state.check_runs.append(run)
    over = word != "pending"
    run.status, run.conclusion = ("completed", word) if over else ("in_progress", None)
    run.completed_at = now() if over else None
    for installation in state.installations:
        one = installation.app
        if over and "check_run" in one.events and one.hook_url:
            payload = {
                "action": "completed",
                "check_run": forge.shapes.check_run(run),
                **forge.payloads.common(pull.repository, app.bot, installation),
            }
            await forge.deliverer.deliver(one, "check_run", payload)
    return run


async def report_status(
    forge: LocalForge, pull: Pull, name: str, word: Word, url: str = "", *, user: str = "packit"
) -> CommitStatus:
    """Puts a commit status on the head, as GitHub has it, and delivers it to the Apps."""
    state = forge.state
    status = CommitStatus(
        next(state.ids), pull.head_sha, word, name, None, url or None, state.user(user)
    )
    state.statuses.setdefault(pull.repository.id, []).append(status)
    for installation in state.installations:
        one = installation.app
        if "status" in one.events and one.hook_url:
            payload = {
                **forge.shapes.status(status, pull.repository),
                "sha": status.sha,
                "name": pull.repository.full_name,
                "branches": [],
                **forge.payloads.common(pull.repository, status.creator, installation),
            }
            await forge.deliverer.deliver(one, "status", payload)
    return status


async def report_gitlab_status(
    forge: LocalForge, pull: Pull, name: str, word: Word, url: str = "", *, user: str = "packit"
) -> Pipeline:
    """Puts a commit status on the head as GitLab has it; its pipeline is delivered to the hooks."""
    state = forge.state
    creator, repository = state.user(user), pull.repository
    said = _GITLAB[word]
    made = state.statuses.setdefault(repository.id, [])
    made.append(
        CommitStatus(next(state.ids), pull.head_sha, said, name, None, url or None, creator)
    )
    pipeline = Pipeline(next(state.ids), repository, pull.head_sha, pull.head_branch, said, url)
    forge.gitlab.pipelines.append(pipeline)
    await forge.gitlab.pipeline_moved(pipeline, creator)
    return pipeline
