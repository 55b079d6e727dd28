"""REST: pull requests, the comments under them, reactions."""

from __future__ import annotations

from datetime import datetime
from http import HTTPStatus
from typing import Any

from aiohttp import web

from bot.demo.forge.access import (
    ApiError,
    Caller,
    acting_user,
    invalid,
    json_body,
    may,
    not_found,
    repository_for,
    text_field,
)
from bot.demo.forge.middleware import page_of
from bot.demo.forge.rest_repositories import REPO, SHAPES
from bot.demo.forge.shapes import REACTIONS
from bot.demo.forge.state import Comment, Pull, Reaction, Repository, Version, now

LONGEST_BODY = 65_536  # characters, of a comment
routes = web.RouteTableDef()


def pull_of(request: web.Request, repository: Repository) -> Pull:
    """The pull request that the path names; ApiError 404."""
    pull = request.app[SHAPES].state.pull(repository, int(request.match_info["number"]))
    if pull is None:
        raise not_found()
    return pull


def _comment_of(request: web.Request, repository: Repository) -> Comment:
    wanted = int(request.match_info["id"])
    for comment in request.app[SHAPES].state.comments:
        if comment.id == wanted and not comment.deleted and comment.pull.repository is repository:
            return comment
    raise not_found()


@routes.get(REPO + "/pulls")
async def pulls(request: web.Request) -> web.Response:
    found, _ = repository_for(request, permission="pull_requests:read")
    shapes = request.app[SHAPES]
    wanted = request.query.get("state", "open")
    chosen = [
        pull
        for pull in reversed(shapes.state.pulls)
        if pull.repository is found
        and wanted in ("all", pull.state)
        and request.query.get("base") in (None, pull.base_branch)
        and request.query.get("head")
        in (None, f"{(pull.head_repository or found).owner.login}:{pull.head_branch}")
    ]
    return page_of(request, chosen, lambda pull: shapes.pull(pull, whole=False))


@routes.get(REPO + "/pulls/{number:[0-9]+}")
async def pull(request: web.Request) -> web.Response:
    """A pull request; with the diff or patch media type, its diff."""
    found, _ = repository_for(request, permission="pull_requests:read")
    wanted = pull_of(request, found)
    accepted = request.headers.get("Accept", "")
    if ".diff" in accepted or ".patch" in accepted:
        base = found.git.merge_base(wanted.base_sha, wanted.head_sha)
        diff = found.git.diff(base or wanted.base_sha, wanted.head_sha)
        return web.Response(body=diff, content_type="application/vnd.github.diff")
    return web.json_response(request.app[SHAPES].pull(wanted))


@routes.get(REPO + "/pulls/{number:[0-9]+}/files")
async def files(request: web.Request) -> web.Response:
    found, _ = repository_for(request, permission="pull_requests:read")
    wanted = pull_of(request, found)
    base = found.git.merge_base(wanted.base_sha, wanted.head_sha)
    changes = found.git.changes(base, wanted.head_sha) if base else ()
    shapes = request.app[SHAPES]
    return page_of(request, changes, lambda change: shapes.file(found, change, wanted.head_sha))


@routes.get(REPO + "/pulls/{number:[0-9]+}/commits")
async def commits(request: web.Request) -> web.Response:
    found, _ = repository_for(request, permission="pull_requests:read")
    wanted = pull_of(request, found)
    listed = found.git.commits(wanted.base_sha, wanted.head_sha)
    shapes = request.app[SHAPES]
    return page_of(request, listed, lambda commit: shapes.commit(found, commit))


@routes.get(REPO + "/issues/{number:[0-9]+}")
async def issue(request: web.Request) -> web.Response:
    found, _ = repository_for(request, permission="issues:read")
    return web.json_response(request.app[SHAPES].issue(pull_of(request, found)))


@routes.get(REPO + "/issues/{number:[0-9]+}/comments")
async def comments(request: web.Request) -> web.Response:
    """The comments, oldest first; `since` leaves out those not updated since then."""
    found, _ = repository_for(request, permission="pull_requests:read")
    shapes = request.app[SHAPES]
    listed = shapes.state.comments_of(pull_of(request, found))
    if since := request.query.get("since"):
        try:
            start = datetime.fromisoformat(since)
        except ValueError:
            raise invalid("Issue", "since", "invalid") from None
        listed = [comment for comment in listed if comment.updated_at >= start]
    return page_of(request, listed, shapes.comment)


@routes.post(REPO + "/issues/{number:[0-9]+}/comments")
async def create_comment(request: web.Request) -> web.Response:
    found, caller = repository_for(request, "read", "pull_requests:write", signed_in=True)
    wanted = pull_of(request, found)
    body = _body(await json_body(request))
    comment = add_comment(request, wanted, caller, body)
    shape = request.app[SHAPES].comment(comment)
    return web.json_response(shape, status=HTTPStatus.CREATED, headers={"Location": shape["url"]})


def add_comment(request: web.Request, pull: Pull, caller: Caller, body: str) -> Comment:
    """Adds a comment in the caller's name and tells the listeners."""
    state = request.app[SHAPES].state
    user = acting_user(caller)
    app = caller.installation.app if caller.installation else None
    comment = Comment(next(state.ids), pull, user, [Version(body, now(), user)], app=app)
    state.comments.append(comment)
    pull.updated_at = now()
    state.tell("comment.created", comment)
    return comment


def _body(given: dict[str, Any]) -> str:
    text = text_field(given, "body", "IssueComment", limit=LONGEST_BODY)
    if not text.strip():
        raise invalid("IssueComment", "body", "missing_field", "Body cannot be blank")
    return text


@routes.get(REPO + "/issues/comments/{id:[0-9]+}")
async def comment(request: web.Request) -> web.Response:
    found, _ = repository_for(request, permission="pull_requests:read")
    return web.json_response(request.app[SHAPES].comment(_comment_of(request, found)))


@routes.patch(REPO + "/issues/comments/{id:[0-9]+}")
async def edit_comment(request: web.Request) -> web.Response:
    found, caller = repository_for(request, "read", "pull_requests:write", signed_in=True)
    wanted = _comment_of(request, found)
    _own_or_write(caller, found, wanted)
    body = _body(await json_body(request))
    if body != wanted.body:
        wanted.versions.append(Version(body, now(), acting_user(caller)))
    request.app[SHAPES].state.tell("comment.edited", wanted)
    return web.json_response(request.app[SHAPES].comment(wanted))


@routes.delete(REPO + "/issues/comments/{id:[0-9]+}")
async def delete_comment(request: web.Request) -> web.Response:
    found, caller = repository_for(request, "read", "pull_requests:write", signed_in=True)
    wanted = _comment_of(request, found)
    _own_or_write(caller, found, wanted)
    wanted.deleted = True
    request.app[SHAPES].state.tell("comment.deleted", wanted)
    return web.Response(status=HTTPStatus.NO_CONTENT)


def _own_or_write(caller: Caller, repository: Repository, comment: Comment) -> None:
    if comment.user is caller.user or may(caller, repository, "write", "pull_requests:write"):
        return
    raise ApiError(HTTPStatus.FORBIDDEN, "Must have admin rights to Repository.")


def _reactions(request: web.Request) -> tuple[list[Reaction], Caller]:
    """The reactions of the comment or pull request that the path names, and the caller."""
    write = request.method != "GET"
    permission = "pull_requests:write" if write else "pull_requests:read"
    found, caller = repository_for(request, "read", permission, signed_in=write)
    if "number" in request.match_info:
        wanted = pull_of(request, found)
        return request.app[SHAPES].state.pull_reactions.setdefault(wanted.id, []), caller
    return _comment_of(request, found).reactions, caller


@routes.get(REPO + "/issues/comments/{id:[0-9]+}/reactions")
@routes.get(REPO + "/issues/{number:[0-9]+}/reactions")
async def reactions(request: web.Request) -> web.Response:
    listed, _ = _reactions(request)
    wanted = request.query.get("content")
    chosen = [one for one in listed if wanted in (None, one.content)]
    return page_of(request, chosen, request.app[SHAPES].reaction)


@routes.post(REPO + "/issues/comments/{id:[0-9]+}/reactions")
@routes.post(REPO + "/issues/{number:[0-9]+}/reactions")
async def react(request: web.Request) -> web.Response:
    """Adds a reaction: 201, or 200 where this caller had already reacted so."""
    listed, caller = _reactions(request)
    content = text_field(await json_body(request), "content", "Reaction")
    if content not in REACTIONS:
        raise invalid("Reaction", "content", "invalid")
    user = acting_user(caller)
    shapes = request.app[SHAPES]
    for one in listed:
        if one.user is user and one.content == content:
            return web.json_response(shapes.reaction(one))
    made = Reaction(next(shapes.state.ids), user, content)
    listed.append(made)
    return web.json_response(shapes.reaction(made), status=HTTPStatus.CREATED)


@routes.delete(REPO + "/issues/comments/{id:[0-9]+}/reactions/{reaction:[0-9]+}")
@routes.delete(REPO + "/issues/{number:[0-9]+}/reactions/{reaction:[0-9]+}")
async def take_back(request: web.Request) -> web.Response:
    listed, caller = _reactions(request)
    wanted = int(request.match_info["reaction"])
    found = next((one for one in listed if one.id == wanted), None)
    if found is None or found.user is not caller.user:
        raise not_found()
    listed.remove(found)
    return web.Response(status=HTTPStatus.NO_CONTENT)
