"""GitHub's REST API on the local forge: check runs and commit statuses."""

from __future__ import annotations

from datetime import UTC, datetime
from http import HTTPStatus

from aiohttp import web

from bot.demo.forge.access import ApiError
from bot.demo.forge.github.api import Call, endpoint, invalid, not_found, text_field
from bot.demo.forge.values import App, CheckRun, CommitStatus, Json, now

LONGEST_OUTPUT = 65_535  # characters, of a check run's summary and of its text
STATUSES = ("queued", "in_progress", "completed")
CONCLUSIONS = (
    "action_required", "cancelled", "failure", "neutral", "success", "skipped", "timed_out",
)  # fmt: skip
STATES = ("error", "failure", "pending", "success")
routes = web.RouteTableDef()


def _app_of(call: Call) -> App:
    """The calling App; ApiError for others, as only Apps may write check runs."""
    if call.app is None:
        raise ApiError(HTTPStatus.FORBIDDEN, "You must authenticate via a GitHub App.")
    return call.app


def _apply(run: CheckRun, body: Json) -> None:
    """Apply an App's fields to its check run; ApiError 422 before anything is changed."""
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


def _time(body: Json, field: str) -> datetime | None:
    if body.get(field) is None:
        return None
    try:
        return datetime.fromisoformat(text_field(body, field, "CheckRun")).astimezone(UTC)
    except ValueError:
        raise invalid("CheckRun", field, "invalid") from None


@endpoint(routes, "POST", "/check-runs", "checks:write", role="write")
async def create_run(call: Call) -> web.Response:
    app = _app_of(call)
    name, sha = (text_field(call.body, field, "CheckRun") for field in ("name", "head_sha"))
    _require_commit(call, sha)
    draft = CheckRun(0, call.repository, app, sha, name, {})
    _apply(draft, call.body)  # refused before it is created
    run = call.state.add_check_run(call.repository, app, sha, name)
    _apply(run, call.body)
    call.state.announce("check_run.created", run)
    return web.json_response(call.shapes.check_run(run), status=HTTPStatus.CREATED)


def _require_commit(call: Call, sha: str) -> None:
    if call.repository.git.resolve(sha) != sha:
        raise ApiError(HTTPStatus.UNPROCESSABLE_ENTITY, f"No commit found for SHA: {sha}")


@endpoint(routes, "PATCH", "/check-runs/{id:[0-9]+}", "checks:write", role="write")
async def update_run(call: Call) -> web.Response:
    app, number = _app_of(call), int(call.request.match_info["id"])
    own = (r for r in call.state.check_runs if r.id == number and r.repository is call.repository)
    run = next(own, None)
    if run is None:
        raise not_found()
    if run.app is not app:
        message = f"Invalid app_id `{app.id}` - check run can only be modified by its own App"
        raise ApiError(HTTPStatus.FORBIDDEN, message)
    _apply(run, call.body)
    call.state.announce("check_run.updated", run)
    return web.json_response(call.shapes.check_run(run))


@endpoint(routes, "GET", "/commits/{ref}/check-runs", "checks:read")
async def runs(call: Call) -> web.Response:
    """The check runs of a commit, newest first; `filter=latest`: one of each App and name."""
    query = call.request.query
    selection = [
        run
        for run in call.state.runs_of(call.repository, call.commit)[::-1]
        if query.get("check_name") in (None, run.name)
        and query.get("status") in (None, run.status)
        and query.get("app_id") in (None, str(run.app.id))
    ]
    if query.get("filter", "latest") == "latest":
        selection = list({(run.app.id, run.name): run for run in reversed(selection)}.values())
    return call.page(selection, call.shapes.check_run, "check_runs")


@endpoint(routes, "POST", "/statuses/{sha:[0-9a-f]{40}}", "statuses:write", role="write")
async def create_status(call: Call) -> web.Response:
    sha = call.request.match_info["sha"]
    _require_commit(call, sha)
    word = text_field(call.body, "state", "Status")
    if word not in STATES:
        raise invalid("Status", "state", "invalid")
    description, target = (
        text_field(call.body, name, "Status", limit=limit) if call.body.get(name) else None
        for name, limit in (("description", 140), ("target_url", None))
    )
    context = str(call.body.get("context") or "default")
    status = call.state.add_status(
        call.repository, sha, word, context, call.user, description=description, target_url=target
    )
    call.state.announce("status.created", status)
    shape = call.shapes.status(status, call.repository)
    return web.json_response(shape, status=HTTPStatus.CREATED)


def _statuses(call: Call) -> list[CommitStatus]:
    return call.state.statuses_of(call.repository, call.commit)[::-1]


@endpoint(routes, "GET", "/commits/{ref}/statuses", "statuses:read")
async def statuses(call: Call) -> web.Response:
    return call.page(_statuses(call), lambda status: call.shapes.status(status, call.repository))


@endpoint(routes, "GET", "/commits/{ref}/status", "statuses:read")
async def combined_status(call: Call) -> web.Response:
    """The newest status of each context, and the worst of them."""
    shapes, repository = call.shapes, call.repository
    newest = list({status.context: status for status in reversed(_statuses(call))}.values())
    words = {status.state for status in newest}
    word = "success" if words == {"success"} else "pending"
    commit_url = f"{shapes.repository_url(repository)}/commits/{call.commit}"
    return web.json_response(
        {
            "state": "failure" if words & {"error", "failure"} else word,
            "statuses": [shapes.status(status, repository) for status in newest],
            "sha": call.commit,
            "total_count": len(newest),
            "repository": shapes.repository(repository),
            "commit_url": commit_url,
            "url": f"{commit_url}/status",
        }
    )
