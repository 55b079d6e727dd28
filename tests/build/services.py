"""Koji and Copr as far as reading goes: stand-ins that speak their protocols, over HTTP.

Koji's follows kojihub/kojihub.py (getTaskInfo, getTaskDescendents, listTaskOutput, getTaskResult,
getBuild, listBuilds, listRPMs; arguments as koji.decode_args has them) and koji.PathInfo, Copr's
coprs/views/apiv3_ns (build, build/list, build-chroot, build-chroot/built-packages).
"""

from __future__ import annotations

import json
import xmlrpc.client
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from bot.settings.operation import BuildService
from tests.distro.servers import running

STATES = {"free": 0, "open": 1, "closed": 2, "canceled": 3, "assigned": 4, "failed": 5}


@dataclass
class Koji:
    """A hub, and the files below `root`."""

    root: Path
    url: str = ""
    tasks: dict[int, dict[str, Any]] = field(default_factory=dict)
    builds: dict[int, dict[str, Any]] = field(default_factory=dict)
    rpms: dict[int, list[dict[str, Any]]] = field(default_factory=dict)
    results: dict[int, str] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)

    @property
    def service(self) -> BuildService:
        return BuildService(
            type="koji", web_url=f"{self.url}/koji", files_url=f"{self.url}/kojifiles/"
        )

    def link(self, task: int) -> str:
        return f"{self.url}/koji/taskinfo?taskID={task}"

    def scratch(
        self,
        number: int,
        source: str,
        srpm: str,
        arches: dict[str, list[Path]],
        *,
        state: str = "closed",
        scratch: bool = True,
        volume: str = "",
    ) -> None:
        """A `build` task, with a `buildArch` task for each architecture and its files."""
        request = [source, "f-candidate", {"scratch": True} if scratch else {}]
        self.add(number, "build", "noarch", None, request, state)
        for offset, (label, files) in enumerate(arches.items(), 2):
            part = number + offset
            path = f"tasks/{(number + 1) % 10000}/{number + 1}/{srpm}"
            self.add(part, "buildArch", label, number, [path, 9, label, False, {}], state)
            for file in files:
                target = self.folder(part, volume) / file.name
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(file.read_bytes())

    def add(
        self, number: int, method: str, label: str, parent: int | None, request: Any, state: str
    ) -> None:
        self.tasks[number] = {
            "id": number,
            "state": STATES[state],
            "method": method,
            "label": label if parent else None,
            "arch": label,
            "parent": parent,
            "owner": 3,
            "completion_time": None,
            "create_ts": 1.5,
            "request": request,
        }

    def folder(self, task: int, volume: str = "") -> Path:
        top = self.root / "vol" / volume if volume else self.root
        return top / "work/tasks" / str(task % 10000) / str(task)

    def call(self, method: str, arguments: tuple[Any, ...]) -> Any:
        options: dict[str, Any] = {}
        if arguments and isinstance(arguments[-1], dict) and arguments[-1].get("__starstar"):
            *given, options = arguments
            options.pop("__starstar")
            arguments = tuple(given)
        self.calls.append(method)
        return getattr(self, f"_{method}")(*arguments, **options)

    def _getTaskInfo(self, task_id: int, request: bool = False) -> Any:
        found = self.tasks.get(task_id)
        return found and {k: v for k, v in found.items() if request or k != "request"}

    def _getTaskDescendents(self, task_id: int, request: bool = False) -> Any:
        children = [t for t in self.tasks.values() if t["parent"] == task_id]
        found = {str(task_id): [self._getTaskInfo(t["id"], request) for t in children]}
        for child in children:
            found |= self._getTaskDescendents(child["id"], request)
        return found

    def _listTaskOutput(self, taskID: int, stat: bool, all_volumes: bool) -> Any:
        assert stat
        assert all_volumes
        found: dict[str, Any] = {}
        for volume in ("DEFAULT", *(p.name for p in self.root.glob("vol/*"))):
            folder = self.folder(taskID, "" if volume == "DEFAULT" else volume)
            for path in sorted(folder.rglob("*")):
                about = path.stat()
                # list_task_output: sizes are texts, since XML-RPC's integers have 32 bits
                sizes = {"st_size": str(about.st_size), "st_mtime": about.st_mtime}
                found.setdefault(str(path.relative_to(folder)), {})[volume] = sizes
        return found

    def _getTaskResult(self, taskId: int, raise_fault: bool = True) -> Any:
        assert not raise_fault
        return {"faultCode": 1005, "faultString": self.results[taskId]}

    def _getBuild(self, buildInfo: int) -> Any:
        return self.builds.get(buildInfo)

    def _listBuilds(self, taskID: int) -> Any:
        return [build for build in self.builds.values() if build["task_id"] == taskID]

    def _listRPMs(self, buildID: int) -> Any:
        return self.rpms[buildID]


@dataclass
class Copr:
    """A frontend, and the results below `root`."""

    root: Path
    url: str = ""
    builds: dict[int, dict[str, Any]] = field(default_factory=dict)
    chroots: dict[tuple[int, str], str] = field(default_factory=dict)
    packages: dict[tuple[int, str], list[dict[str, Any]]] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)

    @property
    def service(self) -> BuildService:
        return BuildService(type="copr", web_url=self.url, files_url=f"{self.url}/results/")

    def link(self, build: int) -> str:
        return f"{self.url}/coprs/build/{build}/"

    def build(self, number: int, source: str, state: str, *, directory: str = "tool") -> None:
        """A build in the project `ann/tool`, or a directory of it."""
        self.builds[number] = {
            "id": number,
            "state": state,
            "ownername": "ann",
            "projectname": "tool",
            "project_dirname": directory,
            "repo_url": f"{self.url}/results/ann/tool",
            "source_package": {"name": source, "version": "1-1", "url": None},
            "chroots": [],
            "submitter": None,
            "is_background": False,
        }

    def answer(self, path: str, query: dict[str, str]) -> Any:
        self.calls.append(path)
        key = (int(query.get("build_id", 0)), query.get("chrootname", ""))
        if path == "build/list":
            own = (query["ownername"], query["projectname"])
            items = [b for b in self.builds.values() if (b["ownername"], b["projectname"]) == own]
            return {"items": items[:: -1 if query["order_type"] == "DESC" else 1], "meta": {}}
        if path == "build-chroot/" and key in self.chroots:
            return {"name": key[1], "state": self.chroots[key], "result_url": None}
        if path == "build-chroot/built-packages":
            return {"packages": self.packages.get(key, [])}
        if path.startswith("build/"):
            return self.builds.get(int(path.removeprefix("build/")))
        return None


@contextmanager
def serving(get: Callable[[str], bytes | None], post: Callable[[bytes], bytes]) -> Iterator[str]:
    """The address of a server that answers so; null is 404."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(get(self.path))

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            self._answer(post(body) if self.headers["Content-Type"] == "text/xml" else None)

        def _answer(self, content: bytes | None) -> None:
            self.send_response(404 if content is None else 200)
            self.send_header("Content-Length", str(len(content or b"")))
            self.end_headers()
            self.wfile.write(content or b"")

        def log_message(self, *arguments: object) -> None:
            pass

    with running(ThreadingHTTPServer(("127.0.0.1", 0), Handler)) as url:
        yield url


def _file(root: Path, path: str) -> bytes | None:
    found = root / unquote(path)
    return found.read_bytes() if found.is_file() else None


@contextmanager
def koji_at(root: Path) -> Iterator[Koji]:
    koji = Koji(root)

    def post(body: bytes) -> bytes:
        arguments, method = xmlrpc.client.loads(body)
        value = koji.call(str(method), arguments)
        return xmlrpc.client.dumps((value,), methodresponse=True, allow_none=True).encode()

    with serving(lambda path: _file(root, path.removeprefix("/kojifiles/")), post) as url:
        koji.url = url
        yield koji


@contextmanager
def copr_at(root: Path) -> Iterator[Copr]:
    copr = Copr(root)

    def get(path: str) -> bytes | None:
        parts = urlsplit(path)
        if not parts.path.startswith("/api_3/"):
            return _file(root, parts.path.removeprefix("/results/"))
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        found = copr.answer(parts.path.removeprefix("/api_3/"), query)
        return None if found is None else json.dumps(found).encode()

    with serving(get, lambda _: b"") as url:
        copr.url = url
        yield copr
