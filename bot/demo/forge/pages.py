"""Pages for browsers: pull requests with comments, files and diffs. Pages load no scripts, images
or styles, and a policy forbids them, as comments' texts are not trusted."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import Any

from aiohttp import web
from jinja2 import Environment, FileSystemLoader, select_autoescape
from markdown_it import MarkdownIt
from markdown_it.common.utils import escapeHtml
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict
from markupsafe import Markup

from bot.demo.forge.access import STATE
from bot.demo.forge.state import line_now, suggestion_text
from bot.demo.forge.values import Comment, Json, Pull, Repository

routes = web.RouteTableDef()
POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'self'"
# Function that commits the suggestion of a comment on a line, as the pull request's author.
Apply = Callable[[Comment], Awaitable[bool]]
APPLY = web.AppKey[Apply]("apply")
TEMPLATES = Path(__file__).parent / "templates"


class ForgeRenderer(RendererHTML):
    """A renderer of HTML as on a forge; `mermaid` blocks and suggestions are shown as text."""

    def fence(self, tokens: Sequence[Token], idx: int, options: OptionsDict, env: EnvType) -> str:
        token = tokens[idx]
        kind = token.info.strip().partition(":")[0]
        if kind in ("mermaid", "suggestion"):
            return f'<pre class="{kind}">{escapeHtml(token.content)}</pre>\n'
        return super().fence(tokens, idx, options, env)


def markdown_html(text: str) -> str:
    """The HTML of a comment's Markdown (tables, folded details), as on a forge."""
    parser = MarkdownIt("commonmark", {"html": True}, renderer_cls=ForgeRenderer)
    return str(parser.enable(["table", "strikethrough"]).render(text))


@cache
def _templates() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=select_autoescape(default=True),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["markdown"] = lambda text: Markup(markdown_html(text or ""))
    environment.filters["when"] = _when
    return environment


def _when(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M:%S UTC")


def _page(name: str, **values: Any) -> web.Response:
    text = _templates().get_template(name).render(**values)
    return web.Response(
        text=text,
        content_type="text/html",
        headers={"Content-Security-Policy": POLICY, "X-Content-Type-Options": "nosniff"},
    )


def _plain(text: str) -> web.Response:
    return web.Response(text=text, headers={"X-Content-Type-Options": "nosniff"})


def _repository(request: web.Request) -> Repository:
    match = request.match_info
    path = match.get("path") if "repo" not in match else f"{match['owner']}/{match['repo']}"
    repository = request.app[STATE].repository(path or "")
    if repository is None or repository.private:
        raise web.HTTPNotFound
    return repository


def _pull(request: web.Request) -> Pull:
    pull = request.app[STATE].pull(_repository(request), int(request.match_info["number"]))
    if pull is None:
        raise web.HTTPNotFound
    return pull


def _diff(pull: Pull) -> str:
    git = pull.repository.git
    base = git.merge_base(pull.base_sha, pull.head_sha) or pull.base_sha
    return git.diff(base, pull.head_sha).decode(errors="replace")


@routes.get("/")
async def front(request: web.Request) -> web.Response:
    state = request.app[STATE]
    public = [repository for repository in state.repositories.values() if not repository.private]
    pulls = {
        repository.full_name: [p for p in state.pulls if p.repository is repository]
        for repository in public
    }
    return _page("front.html", repositories=public, pulls=pulls)


@routes.get("/{owner}/{repo}")
async def repository(request: web.Request) -> web.Response:
    shown_repository = _repository(request)
    pulls = [p for p in request.app[STATE].pulls if p.repository is shown_repository]
    return _page(
        "front.html", repositories=[shown_repository], pulls={shown_repository.full_name: pulls}
    )


@routes.get("/{owner}/{repo}/pull/{number:[0-9]+}")
@routes.get("/{owner}/{repo}/pulls/{number:[0-9]+}")
@routes.get("/{owner}/{repo}/pull-request/{number:[0-9]+}")
@routes.get("/{path:.+}/-/merge_requests/{number:[0-9]+}")
async def pull(request: web.Request) -> web.Response:
    """The pull request: description, checks, comments with their earlier versions, the diff."""
    pull_shown = _pull(request)
    state = request.app[STATE]
    runs = state.runs_of(pull_shown.repository, pull_shown.head_sha)
    all_statuses = state.statuses.get(pull_shown.repository.id, [])
    statuses = {item.context: item for item in all_statuses if item.sha == pull_shown.head_sha}
    return _page(
        "pull.html",
        pull=pull_shown,
        comments=state.comments_of(pull_shown),
        lines=[_on_line(item) for item in state.line_comments_of(pull_shown)],
        runs=runs,
        statuses=statuses.values(),
        unfinished=any(run.status != "completed" for run in runs),
        diff=_diff(pull_shown).splitlines(),
    )


def _on_line(comment: Comment) -> Json:
    """A comment on a line: the line, None if outdated, and whether a click can apply it."""
    line = line_now(comment)
    open_ = comment.pull.state == "open" and not comment.resolved
    clickable = open_ and line is not None and suggestion_text(comment) is not None
    return {"comment": comment, "line": line, "clickable": clickable}


@routes.post("/{owner}/{repo}/pull/{number:[0-9]+}/suggestions/{id:[0-9]+}")
async def commit_suggestion(request: web.Request) -> web.Response:
    """Commit a suggestion on the head branch; only from a page of this forge."""
    if request.headers.get("Origin") != f"{request.url.origin()}":
        raise web.HTTPForbidden
    pull = _pull(request)
    number = int(request.match_info["id"])
    lines = request.app[STATE].line_comments_of(pull)
    comment = next((candidate for candidate in lines if candidate.id == number), None)
    if comment is None:
        raise web.HTTPNotFound
    if not await request.app[APPLY](comment):
        raise web.HTTPConflict(text="The line has changed since.\n")
    raise web.HTTPSeeOther(f"/{pull.repository.full_name}/pull/{pull.number}")


@routes.get("/{owner}/{repo}/pull/{number:[0-9]+}.{kind:diff|patch}")
async def diff(request: web.Request) -> web.Response:
    return _plain(_diff(_pull(request)))


@routes.get("/{owner}/{repo}/runs/{id:[0-9]+}")
async def run(request: web.Request) -> web.Response:
    repository = _repository(request)
    for check_run in request.app[STATE].check_runs:
        if check_run.repository is repository and check_run.id == int(request.match_info["id"]):
            return _page("run.html", run=check_run, repository=repository)
    raise web.HTTPNotFound


@routes.get("/{owner}/{repo}/commit/{sha:[0-9a-f]{7,40}}")
async def commit(request: web.Request) -> web.Response:
    git = _repository(request).git
    sha = git.resolve(request.match_info["sha"])
    if sha is None:
        raise web.HTTPNotFound
    return _plain(git.git("show", "--no-ext-diff", sha, "--").decode(errors="replace"))


@routes.get("/{owner}/{repo}/{kind:blob|raw}/{ref:[^/]+}/{path:.+}")
async def file(request: web.Request) -> web.Response:
    """A file's lines, each with an anchor such as `L7`; `raw`: its bytes."""
    repository = _repository(request)
    match = request.match_info
    sha = repository.git.resolve(match["ref"])
    data = repository.git.file(sha, match["path"]) if sha else None
    if data is None:
        return web.Response(status=HTTPStatus.NOT_FOUND, text="There is no such file.\n")
    if match["kind"] == "raw":
        headers = {"X-Content-Type-Options": "nosniff"}
        return web.Response(body=data, content_type="application/octet-stream", headers=headers)
    lines = data.decode(errors="replace").splitlines()
    return _page(
        "file.html", repository=repository, path=match["path"], ref=match["ref"], lines=lines
    )
