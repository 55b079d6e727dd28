"""REST: check runs and commit statuses."""

from __future__ import annotations

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

from aiohttp import web

from bot.demo.forge.access import (
    ApiError,
    acting_user,
    invalid,
    json_body,
    not_found,
    repository_for,
    text_field,
)
from bot.demo.forge.middleware import page_of
from bot.demo.forge.rest_repositories import REPO, SHAPES, commit_at
from bot.demo.forge.state import App, CheckRun, CommitStatus, Repository, now

LONGEST_OUTPUT = 65_535  # characters, of a check run's summary and of its text
STATUSES = ("queued", "in_progress", "completed")
CONCLUSIONS = (
    "action_required", "cancelled", "failure", "neutral", "success", "skipped", "timed_out",
)  # fmt: skip
STATES = ("error", "failure", "pending", "success")
routes = web.RouteTableDef()


def _for_app(request: web.Request) -> tuple[Repository, App]:
    """The repository and the calling App: only Apps may write check runs."""
    found, caller = repository_for(request, "write", "checks:write", signed_in=True)
    if caller.installation is None:
        raise ApiError(HTTPStatus.FORBIDDEN, "You must authenticate via a GitHub App.")
    return found, caller.installation.app


def _run_of(request: web.Request, repository: Repository) -> CheckRun:
    wanted = int(request.match_info["id"])
    for run in request.app[SHAPES].state.check_runs:
        if run.id == wanted and run.repository is repository:
            return run
    raise not_found()


def _apply(run: CheckRun, body: dict[str, Any]) -> None:
    """Takes over what an App says of its run; ApiError 422 before anything is changed."""
    status, conclusion = body.get("status"), body.get("conclusion")
    if status is not None and status not in STATUSES:
        raise invalid("CheckRun", "status", "invalid")
    if conclusion is not None and conclusion not in CONCLUSIONS:
        raise invalid("CheckRun", "conclusion", "invalid")
    if status == "completed" and conclusion is None:
        raise invalid("CheckRun", "conclusion", "missing_field")
    output = body.get("output")
    if output is not None:
        if not isinstance(output, dict):
            raise invalid("CheckRun", "output", "invalid")
        text_field(output, "title", "CheckRun")
        text_field(output, "summary", "CheckRun", limit=LONGEST_OUTPUT)
        if output.get("text") is not None:
            text_field(output, "text", "CheckRun", limit=LONGEST_OUTPUT)
    started, completed = (_time(body, field) for field in ("started_at", "completed_at"))
    run.fields |= {key: value for key, value in body.items() if value is not None}
    run.name = body.get("name") or run.name
    run.started_at = started or run.started_at
    if conclusion is not None:
        run.status, run.conclusion = "completed", conclusion
        run.completed_at = completed or now()
    elif status is not None:
        run.status, run.conclusion, run.completed_at = status, None, None
    run.history.append((datetime.now(UTC), run.status, run.conclusion))


def _time(body: dict[str, Any], field: str) -> datetime | None:
    if body.get(field) is None:
        return None
    try:
        return datetime.fromisoformat(text_field(body, field, "CheckRun")).astimezone(UTC)
    except ValueError:
        raise invalid("CheckRun", field, "invalid") from None


@routes.post(REPO + "/check-runs")
async def create_run(request: web.Request) -> web.Response:
    found, app = _for_app(request)
    body = await json_body(request)
    name = text_field(body, "name", "CheckRun")
    sha = text_field(body, "head_sha", "CheckRun")
    if found.git.resolve(sha) != sha:
        raise ApiError(HTTPStatus.UNPROCESSABLE_ENTITY, f"No commit found for SHA: {sha}")
    state = request.app[SHAPES].state
    run = CheckRun(next(state.ids), found, app, sha, name, {})
    _apply(run, body)
    state.check_runs.append(run)
    next(state.ids)  # the check suite's id
    state.tell("check_run.created", run)
    return web.json_response(request.app[SHAPES].check_run(run), status=HTTPStatus.CREATED)


@routes.get(REPO + "/check-runs/{id:[0-9]+}")
async def get_run(request: web.Request) -> web.Response:
    found, _ = repository_for(request, permission="checks:read")
    return web.json_response(request.app[SHAPES].check_run(_run_of(request, found)))


@routes.patch(REPO + "/check-runs/{id:[0-9]+}")
async def update_run(request: web.Request) -> web.Response:
    found, app = _for_app(request)
    run = _run_of(request, found)
    if run.app is not app:
        message = f"Invalid app_id `{app.id}` - check run can only be modified by its own App"
        raise ApiError(HTTPStatus.FORBIDDEN, message)
    _apply(run, await json_body(request))
    request.app[SHAPES].state.tell("check_run.updated", run)
    return web.json_response(request.app[SHAPES].check_run(run))


@routes.get(REPO + "/commits/{ref}/check-runs")
async def runs(request: web.Request) -> web.Response:
    """The runs of a commit, newest first; `filter=latest` keeps one of each App and name."""
    found, _ = repository_for(request, permission="checks:read")
    shapes = request.app[SHAPES]
    listed = shapes.state.runs_of(found, commit_at(found, request.match_info["ref"]))[::-1]
    query = request.query
    chosen = [
        run
        for run in listed
        if query.get("check_name") in (None, run.name)
        and query.get("status") in (None, run.status)
        and query.get("app_id") in (None, str(run.app.id))
    ]
    if query.get("filter", "latest") == "latest":
        chosen = list({(run.app.id, run.name): run for run in reversed(chosen)}.values())
    return page_of(request, chosen, shapes.check_run, "check_runs")


@routes.post(REPO + "/statuses/{sha:[0-9a-f]{40}}")
async def create_status(request: web.Request) -> web.Response:
    found, caller = repository_for(request, "write", "statuses:write", signed_in=True)
    sha = request.match_info["sha"]
    if found.git.resolve(sha) is None:
        raise ApiError(HTTPStatus.UNPROCESSABLE_ENTITY, f"No commit found for SHA: {sha}")
    body = await json_body(request)
    word = text_field(body, "state", "Status")
    if word not in STATES:
        raise invalid("Status", "state", "invalid")
    description, target = (
        text_field(body, name, "Status", limit=limit) if body.get(name) is not None else None
        for name, limit in (("description", 140), ("target_url", None))
    )
    shapes = request.app[SHAPES]
    status = CommitStatus(
        next(shapes.state.ids), sha, word, str(body.get("context") or "default"),
        description, target, acting_user(caller),
    )  # fmt: skip
    shapes.state.statuses.setdefault(found.id, []).append(status)
    shapes.state.tell("status.created", status)
    return web.json_response(shapes.status(status, found), status=HTTPStatus.CREATED)


def _statuses(request: web.Request) -> tuple[Repository, str, list[CommitStatus]]:
    found, _ = repository_for(request, permission="statuses:read")
    sha = commit_at(found, request.match_info["ref"])
    made = request.app[SHAPES].state.statuses.get(found.id, [])
    return found, sha, [status for status in reversed(made) if status.sha == sha]


@routes.get(REPO + "/commits/{ref}/statuses")
async def statuses(request: web.Request) -> web.Response:
    found, _, listed = _statuses(request)
    return page_of(request, listed, lambda status: request.app[SHAPES].status(status, found))


@routes.get(REPO + "/commits/{ref}/status")
async def combined_status(request: web.Request) -> web.Response:
    """The newest status of each context, and the worst of them."""
    found, sha, listed = _statuses(request)
    shapes = request.app[SHAPES]
    newest = list({status.context: status for status in reversed(listed)}.values())
    words = {status.state for status in newest}
    word = "success" if words == {"success"} else "pending"
    return web.json_response(
        {
            "state": "failure" if words & {"error", "failure"} else word,
            "statuses": [shapes.status(status, found) for status in newest],
            "sha": sha,
            "total_count": len(newest),
            "repository": shapes.repository(found),
            "commit_url": f"{shapes.repository_url(found)}/commits/{sha}",
            "url": f"{shapes.repository_url(found)}/commits/{sha}/status",
        }
    )
