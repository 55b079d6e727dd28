"""Git over HTTP: `git http-backend` as a CGI program, behind the forge's own access rules.

https://git-scm.com/docs/http-protocol and https://git-scm.com/docs/git-http-backend.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from http import HTTPStatus

from aiohttp import ClientError, web

from bot.demo.forge.access import STATE, ApiError, Caller, caller_of, may
from bot.demo.forge.gitstore import git_environment
from bot.demo.forge.values import Repository

CHUNK = 64 * 1024  # bytes
PushListener = Callable[[Repository, Caller, dict[str, str]], Awaitable[None]]
ON_PUSH: web.AppKey[PushListener] = web.AppKey("on_push")
routes = web.RouteTableDef()
SERVICES = ("git-upload-pack", "git-receive-pack")
CHALLENGE = {"WWW-Authenticate": 'Basic realm="local forge"'}


@routes.get("/{path:.+}.git/info/refs")
async def advertise(request: web.Request) -> web.StreamResponse:
    service = request.query.get("service", "")
    if service not in SERVICES:
        return web.Response(status=HTTPStatus.FORBIDDEN, text="Please upgrade your git client.\n")
    return await _serve(request, service, "info/refs")


@routes.post("/{path:.+}.git/{service:git-upload-pack|git-receive-pack}")
async def exchange(request: web.Request) -> web.StreamResponse:
    service = request.match_info["service"]
    return await _serve(request, service, service)


async def _serve(request: web.Request, service: str, tail: str) -> web.StreamResponse:
    state = request.app[STATE]
    push = service == "git-receive-pack"
    try:
        caller = caller_of(request)
    except ApiError:
        return _refuse(HTTPStatus.UNAUTHORIZED, "Invalid username or token.")
    repository = state.repository(request.match_info["path"])
    if repository is None or not may(caller, repository, "read", "contents:read"):
        if caller.user is None:  # like GitHub, so that git asks for credentials
            return _refuse(HTTPStatus.UNAUTHORIZED, "Authentication required.")
        return _refuse(HTTPStatus.NOT_FOUND, "Repository not found.")
    if push and caller.user is None:
        return _refuse(HTTPStatus.UNAUTHORIZED, "Authentication required.")
    if push and not may(caller, repository, "write", "contents:write"):
        return _refuse(HTTPStatus.FORBIDDEN, "Write access to repository not granted.")
    writes = push and tail == service
    before = repository.git.branches() if writes else {}

    async def finish() -> None:
        if writes:
            await request.app[ON_PUSH](repository, caller, before)

    return await _backend(request, repository, tail, caller, finish)


def _refuse(status: int, message: str) -> web.Response:
    headers = CHALLENGE if status == HTTPStatus.UNAUTHORIZED else {}
    return web.Response(status=status, text=f"{message}\n", headers=headers)


async def _backend(
    request: web.Request,
    repository: Repository,
    tail: str,
    caller: Caller,
    finish: Callable[[], Awaitable[None]],
) -> web.StreamResponse:
    """Run the CGI program, streaming the request's body in and its answer out.

    `finish` is called before the answer ends, so that the forge has seen a push when the client
    returns.
    """
    path = repository.git.path
    environment = git_environment(
        {
            "GIT_PROJECT_ROOT": str(path.parent),
            "GIT_HTTP_EXPORT_ALL": "1",
            "PATH_INFO": f"/{path.name}/{tail}",
            "QUERY_STRING": request.query_string,
            "REQUEST_METHOD": request.method,
            "CONTENT_TYPE": request.headers.get("Content-Type", ""),
            "REMOTE_ADDR": request.remote or "",
            "REMOTE_USER": caller.user.login if caller.user else "",
            "GIT_PROTOCOL": request.headers.get("Git-Protocol", ""),
        }
    )
    process = await asyncio.create_subprocess_exec(
        "git", "http-backend", env=environment,
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    feed_task = asyncio.create_task(_feed(request, process.stdin))
    try:
        head = await process.stdout.readuntil(b"\r\n\r\n")
        response = _headers(head)
        await response.prepare(request)
        while chunk := await process.stdout.read(CHUNK):
            await response.write(chunk)
        await process.wait()
        await finish()
        await response.write_eof()
    except asyncio.IncompleteReadError:
        return web.Response(status=HTTPStatus.INTERNAL_SERVER_ERROR, text="git failed\n")
    finally:
        feed_task.cancel()
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    return response


async def _feed(request: web.Request, stdin: asyncio.StreamWriter) -> None:
    """Write the body (decompressed by aiohttp) to the program, then end of file.

    The same if the sender disconnects, so that git does not wait for more.
    """
    with contextlib.suppress(OSError, ClientError):
        try:
            async for chunk in request.content.iter_chunked(CHUNK):
                stdin.write(chunk)
                await stdin.drain()
        finally:
            stdin.close()


def _headers(head: bytes) -> web.StreamResponse:
    """The response with a CGI program's headers."""
    fields = dict(
        line.split(": ", 1) for line in head.decode("latin-1").split("\r\n") if ": " in line
    )
    status = int(fields.pop("Status", "200").split()[0])
    return web.StreamResponse(status=status, headers=fields)
