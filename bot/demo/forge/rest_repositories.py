"""REST: repositories, branches, commits, comparison, contents, collaborators."""

from __future__ import annotations

from http import HTTPStatus

from aiohttp import web

from bot.demo.forge.access import ApiError, not_found, repository_for
from bot.demo.forge.gitstore import BareRepository
from bot.demo.forge.middleware import page_of
from bot.demo.forge.shapes import Shapes
from bot.demo.forge.state import Repository, User

SHAPES: web.AppKey[Shapes] = web.AppKey("shapes", Shapes)
routes = web.RouteTableDef()
REPO = "/repos/{owner}/{repo}"


def commit_at(repository: Repository, revision: str) -> str:
    """The commit id of a branch, tag or id, or of `owner:branch`; ApiError 404."""
    owner, colon, branch = revision.partition(":")
    if colon and owner.casefold() == repository.owner.login.casefold():
        revision = branch
    found = repository.git.branch(revision) or repository.git.resolve(revision)
    if found is None:
        raise not_found()
    return found


@routes.get(REPO)
async def repository(request: web.Request) -> web.Response:
    found, caller = repository_for(request)
    shape = request.app[SHAPES].repository(found, caller.user)
    return web.json_response({**shape, "network_count": 0, "subscribers_count": 0})


@routes.get(REPO + "/branches/{branch:.+}")
async def branch(request: web.Request) -> web.Response:
    found, _ = repository_for(request, permission="contents:read")
    name = request.match_info["branch"]
    tip = found.git.branch(name)
    if tip is None:
        raise ApiError(HTTPStatus.NOT_FOUND, "Branch not found")
    shapes = request.app[SHAPES]
    return web.json_response(
        {
            "name": name,
            "commit": shapes.commit(found, found.git.one_commit(tip)),
            "_links": {
                "self": f"{shapes.repository_url(found)}/branches/{name}",
                "html": f"{shapes.web}/{found.full_name}/tree/{name}",
            },
            "protected": False,
            "protection": {"enabled": False},
            "protection_url": f"{shapes.repository_url(found)}/branches/{name}/protection",
        }
    )


@routes.get(REPO + "/git/ref/{ref:.+}")
async def ref(request: web.Request) -> web.Response:
    found, _ = repository_for(request, permission="contents:read")
    name = f"refs/{request.match_info['ref']}"
    sha = found.git.resolve(name)
    if sha is None:
        raise not_found()
    url = f"{request.app[SHAPES].repository_url(found)}/git"
    target = {"sha": sha, "type": "commit", "url": f"{url}/commits/{sha}"}
    return web.json_response(
        {"ref": name, "node_id": f"REF_{sha}", "url": f"{url}/{name}", "object": target}
    )


@routes.get(REPO + "/commits/{ref:[^/]+}")
async def commit(request: web.Request) -> web.Response:
    found, _ = repository_for(request, permission="contents:read")
    shapes = request.app[SHAPES]
    sha = commit_at(found, request.match_info["ref"])
    one = found.git.one_commit(sha)
    shape = shapes.commit(found, one)
    if one.parents:
        files = found.git.changes(one.parents[0], sha)
        shape["files"] = [shapes.file(found, change, sha) for change in files]
    return web.json_response(shape)


@routes.get(REPO + "/compare/{range:.+}")
async def compare(request: web.Request) -> web.Response:
    """Compares `base...head`: the merge base, the commits since, the files that differ from it."""
    found, _ = repository_for(request, permission="contents:read")
    shapes = request.app[SHAPES]
    names = request.match_info["range"].split("...")
    if len(names) != 2:
        raise not_found()
    base, head = (commit_at(found, name) for name in names)
    merge_base = found.git.merge_base(base, head)
    if merge_base is None:
        message = f"No common ancestor between {names[0]} and {names[1]}."
        raise ApiError(HTTPStatus.NOT_FOUND, message)
    ahead = found.git.commits(merge_base, head)
    behind = found.git.commits(merge_base, base)
    word = {(False, False): "identical", (True, False): "ahead", (False, True): "behind"}
    html = f"{shapes.web}/{found.full_name}/compare/{base}...{head}"
    return web.json_response(
        {
            "url": f"{shapes.repository_url(found)}/compare/{request.match_info['range']}",
            "html_url": html,
            "permalink_url": html,
            "diff_url": f"{html}.diff",
            "patch_url": f"{html}.patch",
            "base_commit": shapes.commit(found, found.git.one_commit(base)),
            "merge_base_commit": shapes.commit(found, found.git.one_commit(merge_base)),
            "status": word.get((bool(ahead), bool(behind)), "diverged"),
            "ahead_by": len(ahead),
            "behind_by": len(behind),
            "total_commits": len(ahead),
            "commits": [shapes.commit(found, one) for one in ahead[:250]],
            "files": [
                shapes.file(found, change, head)
                for change in found.git.changes(merge_base, head)[:300]
            ],
        }
    )


@routes.get(REPO + "/contents")
@routes.get(REPO + "/contents/{path:.*}")
async def contents(request: web.Request) -> web.Response:
    """A file (`application/vnd.github.raw`: its bytes) or a folder's entries, at `ref`."""
    found, _ = repository_for(request, permission="contents:read")
    shapes = request.app[SHAPES]
    ref = request.query.get("ref") or found.default_branch
    sha = commit_at(found, ref)
    path = request.match_info.get("path", "").strip("/")
    entries = found.git.listing(sha, path)
    if not entries:
        raise not_found()
    if len(entries) == 1 and entries[0][0] == "blob" and entries[0][2] == path:
        data = found.git.blob(entries[0][1])
        if "raw" in request.headers.get("Accept", ""):
            return web.Response(body=data, content_type="application/octet-stream")
        return web.json_response(shapes.content(found, ref, entries[0], data))
    return web.json_response([shapes.content(found, ref, entry) for entry in entries])


@routes.get(REPO + "/collaborators/{login}/permission")
async def permission(request: web.Request) -> web.Response:
    """The role of a user; `permission` folds triage into read and maintain into write."""
    found, caller = repository_for(request, signed_in=True)
    if caller.installation is None and found.role(caller.user) in ("none", "read"):
        raise ApiError(
            HTTPStatus.FORBIDDEN, "Must have push access to view collaborator permission."
        )
    state = request.app[SHAPES].state
    user: User | None = state.users.get(request.match_info["login"])
    if user is None:
        raise ApiError(HTTPStatus.NOT_FOUND, f"{request.match_info['login']} is not a user")
    role = found.role(user)
    folded = {"triage": "read", "maintain": "write"}.get(role, role)
    account = request.app[SHAPES].user(user)
    return web.json_response(
        {"permission": folded, "role_name": role, "user": {**account, "role_name": role}}
    )


@routes.get(REPO + "/commits/{ref}/pulls")
async def pulls_of_commit(request: web.Request) -> web.Response:
    found, _ = repository_for(request, permission="pull_requests:read")
    shapes = request.app[SHAPES]
    sha = commit_at(found, request.match_info["ref"])
    holding = [
        pull
        for pull in shapes.state.pulls
        if pull.repository is found and _reaches(found.git, pull.base_sha, pull.head_sha, sha)
    ]
    return page_of(request, holding, lambda pull: shapes.pull(pull, whole=False))


def _reaches(git: BareRepository, base: str, head: str, sha: str) -> bool:
    return any(commit.sha == sha for commit in git.commits(base, head))
