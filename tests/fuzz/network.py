"""The parsers of requests for pages, of deliveries, and of the events of CI systems."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import Callable, Mapping
from functools import cache
from urllib.parse import quote

from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from yarl import URL

from bot.ci.systems import SYSTEMS, Clone, find_run
from bot.engine.links import LINK_FIELD, LinkKeys
from bot.errors import UsageError
from bot.forge.bodies import message_of, reduced
from bot.forge.events import MISSHAPEN
from bot.forge.protocol import Forge, forge_module
from bot.forge.values import WebhookRefusedError
from bot.limited.forker import UnreadableError
from bot.model.image import ImageKey
from bot.settings.forges import FORGE_TYPES, ForgeSettings
from bot.store.history.history import open_history
from bot.web.addresses import Parameters, image_url, window, with_date
from bot.web.middlewares import LOG
from tests.fuzz.parser import Parser, folder, in_file, text_of, with_descriptor
from tests.fuzz.seeds import GITHUB, GITLAB, PAGURE
from tests.web.sites import NGINX, application, prepare

_SECRET = "s" * 40
PAGURE_TOPICS = (
    "pull-request.new", "pull-request.closed", "pull-request.comment.added",
    "pull-request.comment.edited", "commit.flag.added", "git.receive", "git.branch.deletion",
    "project.deleted",
)  # fmt: skip
_EVENTS: Mapping[str, tuple[tuple[str, bytes], ...]] = {
    "gitlab": tuple(
        (f"{kind} Hook", GITLAB) for kind in ("Merge Request", "Note", "Push", "Pipeline")
    ),
    "pagure": tuple(
        (topic, b'{"topic": "%b", "msg_id": "1", "msg": %b}' % (topic.encode(), PAGURE))
        for topic in PAGURE_TOPICS
    ),
}
_OF_GITHUB = ("pull_request", "issue_comment", "check_run", "push", "merge_group", "installation")


class _Raised(logging.Handler):
    """The last error that a handler of the application did not answer itself."""

    error: BaseException | None = None

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info:
            self.error = record.exc_info[1]


class _Site:
    """The application over a small history: what a request's path and query lead to."""

    def __init__(self) -> None:
        self.links = LinkKeys((_SECRET,), 30)
        history = open_history(prepare(folder() / "site", days=3) / "data")
        self._application = application(
            history.store, history, folder() / "site", link_keys=self.links
        )
        self._application.freeze()
        self._loop = asyncio.new_event_loop()
        self._raised = _Raised()
        LOG.addHandler(self._raised)
        LOG.propagate = False

    def status(self, content: bytes) -> int:
        """The status of a response: to a path and a query, and the cookie on a second line."""
        target, _, cookie = content[:8000].decode("latin-1").partition("\n")
        if not (target.isascii() and target.isprintable()):
            return 400  # aiohttp's parser sees to it
        path, _, query = target.partition("?")
        headers = {"Cookie": cookie.replace("\r", " ").replace("\n", " ")} if cookie else {}
        # As aiohttp makes the address of a request's first line; it answers 400 where it cannot.
        url = URL.build(path=f"/{path.lstrip('/')}", query_string=query, encoded=True)
        request = make_mocked_request("GET", "/", headers=headers, app=self._application).clone(
            rel_url=url
        )
        self._raised.error = None
        try:
            response = self._loop.run_until_complete(self._application._handle(request))
        except web.HTTPException as error:
            response = error
        if self._raised.error is not None:
            raise self._raised.error
        return response.status


@cache
def _site() -> _Site:
    return _Site()


def _parameters(content: bytes) -> object:
    """Read a query by all types of parameters of pages."""
    query = URL.build(query_string=content.decode("latin-1").replace("#", ""), encoded=True).query
    given = Parameters({}, dict(query))
    reading = (
        lambda: window(given, given.date),
        lambda: given.order,
        lambda: given.page(50),
        lambda: given.number("drawn", 9),
        lambda: given.text("q"),
        lambda: with_date(image_url(ImageKey("a", "b", "c", "d"), q=given.text("q")), given.date),
    )
    found = []
    for read in reading:
        with contextlib.suppress(web.HTTPBadRequest):
            found.append(read())
    return found


def _page_seeds() -> tuple[bytes, ...]:
    token = _site().links.token("over")
    image = f"{NGINX}/compare?from=2026-10-30&to=2026-11-01T00:00:00%2B01:00&with=s390x"
    return tuple(
        text.encode()
        for text in (
            "/images?q=nginx&status=ok&window=month&offset=0&limit=2&sort=-installed_size",
            f"/api{NGINX}?date=2026-11-01&since=2026-10-30&package=zlib&drawn=9&limit=3",
            f"{NGINX}?table=packages&format=csv&sort=packages.-size",
            image,
            f"{NGINX}/size.svg?theme=dark&window=week",
            f"{NGINX}/architectures",
            "/objectives?outlook=late",
            "/api/objectives/nginx-stays-small?window=quarter",
            "/packages/glibc?date=2026-11-01T10:00:00Z",
            f"/packages/{quote('<b>&', safe='')}?offset=1",
            "/surface?window=all",
            "/grid?q=x",
            "/search?q=perl+-interpreter",
            "/opportunities?state=open&maintainer=a&workload=nginx",
            "/checks?limit=5",
            f"/checks/over?{LINK_FIELD}={token}",
            f"/api/checks/over\nminimize-check={token}; a=b",
            "/checks/over/logs/0",
            "/static/minimize.css",
            "/?window=year",
        )
    )


def _opened(kind: str) -> Forge:
    secret = in_file(_SECRET.encode(), "secret")
    settings = ForgeSettings.model_validate(
        {
            "type": kind,
            "api_url": "https://forge.example",
            "token": {"file": str(secret)},
            "webhook_secrets": [{"file": str(secret)}],
        }
    )
    forge: Forge = forge_module(kind, "forge").open_forge("forge", settings)
    return forge


def _delivery(forge: Forge) -> Callable[[bytes], object]:
    """Read headers, an empty line and a body as a receiver does, without a signature."""

    def read(content: bytes) -> object:
        head, _, body = content.partition(b"\n\n")
        lines = (line.partition(":") for line in text_of(head).split("\n"))
        headers = {name.strip().lower(): value.strip() for name, _, value in lines}
        try:
            verification = forge.begin(headers)
            verification.update(body)
            verification.finish()
        except WebhookRefusedError:
            pass
        form = headers.get("content-type", "").startswith("application/x-www-form-urlencoded")
        for one in (body, _reduced(form, body)):
            try:
                delivery = forge.read(headers, one)
            except WebhookRefusedError:
                continue
            try:
                forge.event(delivery.event, delivery.body)
            except MISSHAPEN:
                continue
        return None

    return read


def _reduced(form: bool, body: bytes) -> bytes:
    try:
        return bytes(with_descriptor(body, lambda descriptor: reduced(form, descriptor)))  # type: ignore[call-overload]
    except UnreadableError:
        return b""


def _message(kind: str) -> Callable[[bytes], object]:
    """Read a message of the broker, with each topic of the forge."""
    read, topics = forge_module(kind, "events").read_message, PAGURE_TOPICS

    def all_of(content: bytes) -> object:
        return [read("forge", message_of(f"org.x.{kind}.{one}", "1", content)) for one in topics]

    return all_of


def _delivery_seeds(kind: str) -> tuple[bytes, ...]:
    signed = forge_module(kind, "webhooks").signed_headers
    found = []
    for event, body in _EVENTS.get(kind, tuple((one, GITHUB) for one in _OF_GITHUB)):
        headers = "\n".join(f"{k}: {v}" for k, v in signed(event, body, _SECRET).items())
        found.append(f"{headers}\n\n".encode() + body)
    form = b"payload=" + quote(GITHUB).encode()
    headers = "\n".join(f"{k}: {v}" for k, v in signed("push", form, _SECRET).items())
    headers = headers.replace("application/json", "application/x-www-form-urlencoded")
    return (*found, f"{headers}\n\n".encode() + form)


def _ci_event(content: bytes) -> object:
    """An event's file, and the variables of each system: the second half of lines `NAME=VALUE`."""
    event, _, rest = content.partition(b"\n\n")
    path = in_file(event, "event.json")
    given = dict(line.partition("=")[::2] for line in text_of(rest).replace("\0", "").split("\n"))
    variables = {**given, "GITHUB_EVENT_PATH": str(path)}
    clone = Clone(given.get("BRANCH"), given.get("ORIGIN"))
    found = []
    for system in ("auto", *SYSTEMS):
        try:
            found.append(find_run(system, variables, clone))
        except UsageError:
            continue
    return found


_VARIABLES = {
    "GITHUB_EVENT_NAME": "pull_request",
    "GITHUB_SERVER_URL": "https://forge.example",
    "GITHUB_REPOSITORY": "o/r",
    "GITHUB_SHA": "0" * 40,
    "GITHUB_REF": "refs/heads/topic",
    "GITHUB_REF_NAME": "topic",
    "CI_COMMIT_SHA": "0" * 40,
    "CI_COMMIT_BEFORE_SHA": "0" * 40,
    "CI_MERGE_REQUEST_IID": "7",
    "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main",
    "CI_MERGE_REQUEST_PROJECT_URL": "https://gitlab.example/g/p",
    "CI_MERGE_REQUEST_PROJECT_PATH": "g/p",
    "CI_API_V4_URL": "https://gitlab.example/api/v4",
    "CI_SERVER_URL": "https://gitlab.example",
    "CHANGE_TARGET": "main",
    "BRANCH_NAME": "topic",
    "PACKIT_TARGET_BRANCH": "main",
    "PACKIT_TARGET_SHA": "1" * 40,
    "PACKIT_TARGET_URL": "https://forge.example/o/r",
    "PACKIT_SOURCE_SHA": "2" * 40,
    "PACKIT_SOURCE_URL": "https://forge.example/a/r",
    "BRANCH": "main",
    "ORIGIN": "file:///dev/null",
}


def _ci_seed(event: Mapping[str, object]) -> bytes:
    variables = "\n".join(f"{name}={value}" for name, value in _VARIABLES.items())
    return json.dumps(event).encode() + b"\n\n" + variables.encode()


def parsers() -> tuple[Parser, ...]:
    """The parsers of requests, of each type of forge's deliveries, of CI systems' events."""
    group = {"base_sha": "1" * 40, "base_ref": "refs/heads/main", "head_sha": "0" * 40}
    ref = {"ref": "main", "sha": "1" * 40}
    return (
        Parser(
            "page-parameters",
            _parameters,
            (),
            (
                b"date=2026-11-01T00:00:00%2B01:00&since=2026-10-30&window=month&drawn=9",
                b"q=perl+-x&sort=packages.-size&offset=3&limit=5&format=csv",
            ),
        ),
        # What the pages make of them: each is the work of a page, so they are fewer.
        Parser("page-request", lambda content: _site().status(content), (), _page_seeds(), False),
        *(
            Parser(f"{kind}-delivery", _delivery(_opened(kind)), (), _delivery_seeds(kind))
            for kind in FORGE_TYPES
        ),
        *(
            Parser(
                f"{kind}-message",
                _message(kind),
                (WebhookRefusedError,),
                (
                    PAGURE,
                    b'{"headers": {"x-gitea-event": "push", "x-gitea-delivery": "1"}, "body": %b}'
                    % GITHUB,
                ),
            )
            for kind, row in FORGE_TYPES.items()
            if row.announces
        ),
        Parser(
            "ci-event",
            _ci_event,
            (),
            (
                _ci_seed({"pull_request": {"number": 7, "base": ref, "head": ref}}),
                _ci_seed({"merge_group": group}),
                _ci_seed({"before": "0" * 40, "after": "2" * 40}),
            ),
        ),
    )
