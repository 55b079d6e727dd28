"""A forge that has nothing but the comments of one change request: GitHub's paths, GitLab's too."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.distro.servers import running

_GITHUB = re.compile(r"^/repos/web/nginx/issues/(7/comments|comments/(?P<id>\d+))")
_GITLAB = re.compile(
    r"^/api/v4/projects/(web%2Fnginx|1)/merge_requests/7/notes(/(?P<id>\d+))?($|\?)"
)


@dataclass
class ChangeRequestServer:
    """`comments` are those that stand there; `me` is the token's account, null if it is secret."""

    me: str | None = "ci-bot"
    may_write: bool = True
    comments: list[dict[str, Any]] = field(default_factory=list)
    url: str = ""

    def add(self, author: str, body: str) -> dict[str, Any]:
        number = len(self.comments) + 1
        made = {"id": number, "body": body, "html_url": f"{self.url}/c/{number}"}
        made |= {"user": {"login": author}, "author": {"username": author, "id": 1}}
        self.comments.append(made)
        return made

    def answer(self, method: str, path: str, body: dict[str, Any]) -> tuple[int, object]:
        if path in ("/user", "/api/v4/user"):
            if self.me is None:
                return 403, {"message": "Resource not accessible by integration"}
            return 200, {"login": self.me, "username": self.me, "id": 1}
        if path == "/api/v4/projects/web%2Fnginx":
            return 200, {"id": 1, "path_with_namespace": "web/nginx"}
        found = _GITHUB.match(path) or _GITLAB.match(path)
        if found is None:
            return 404, {"message": f"no {path}"}
        if method == "GET":
            return 200, self.comments
        if not self.may_write:
            return 403, {"message": "Resource not accessible by integration"}
        if method == "POST":
            return 201, self.add(self.me or "github-actions[bot]", body["body"])
        comment = self.comments[int(found["id"]) - 1]
        comment["body"] = body["body"]
        return 200, comment


@contextmanager
def serving(forge: ChangeRequestServer) -> Iterator[ChangeRequestServer]:
    """The forge on a port of loopback, while it is used."""

    class Handler(BaseHTTPRequestHandler):
        def _any(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length) or b"{}")
            status, value = forge.answer(self.command, self.path, body)
            text = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = do_PATCH = do_PUT = _any

        def log_message(self, *_: object) -> None:
            """Log nothing to standard error."""

    with running(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as forge.url:
        yield forge
