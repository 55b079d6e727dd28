"""What is about a private repository: nowhere without a link, and with one only its own check."""

from __future__ import annotations

import json
import logging
import re
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import ClientSession, CookieJar
from aiohttp.test_utils import TestClient, TestServer

from bot.engine.links import LinkKeys
from bot.errors import UsageError
from bot.model.image import ImageKey
from bot.model.result_json import check_to_json
from bot.model.spec import BuildNote
from bot.settings.values import load_settings
from bot.store.deliveries import GroupWriter
from bot.store.history.history import open_history
from bot.store.history.values import DocumentedImage
from bot.store.records import CheckRecord
from bot.store.store import open_store
from bot.web.application import make_application
from bot.web.health import Health
from bot.web.metrics import Metrics
from bot.web.pages import PAGES
from bot.web.serve import Bot
from tests.engine.threads import InThread
from tests.report.conftest import result
from tests.web.seeded import seed

OLD, NEW = "o" * 40, "n" * 40
KEYS = LinkKeys((NEW, OLD), 30)
DAY = 86_400
# rpms/nginx, number 7, is the pull request that the seeded history blames and accepts.
SECRETS = (
    "rpms/nginx", "Add the perl module", "forge.example", "alice", "maria", "Needed-for-modules",
    "Hush", "hidden-spec", "o/later", "Not public any more",
)  # fmt: skip


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("private")
    history = open_history(open_store(folder))
    seed(history, days=25)
    # Objectives of the files of repositories: private then, and private by now.
    run, states = history.runs(1)[0].id, history.objective_states()
    headings = {heading.id: heading for heading in history.objective_headings()}
    for id_, place, private in (("hush", "github:rpms/x", True), ("late", "github:o/later", False)):
        headings[id_] = replace(
            headings["curl"], id=id_, name=f"Hush {id_}", place=place, private=private
        )
        states += tuple(replace(s, objective=id_) for s in states if s.objective == "curl")
    described = dict.fromkeys(history.latest_evaluations(), DocumentedImage("", ()))
    history.recorder.settle_run(run, described, headings, states)
    history.close()
    history.store.close()
    return folder


def add(store, name: str, repository: str, log: Path, **fields) -> None:
    build = BuildNote("head", "hidden-spec.spec", "x86_64", "built", "", str(log), 1.0)
    document = result(specs=("hidden-spec.spec",), builds=(build,))
    record = CheckRecord(
        id=name, forge="github", repository=repository, number=7, head_sha="a" * 40,
        stage="final", verdict="success", summary="Hush: +1 package", open=False,
        result=check_to_json(document), **fields,
    )  # fmt: skip
    if not store.add_check(record):
        store.update_check(name, result=record.result)


@pytest.fixture
async def site(data, tmp_path):
    log = tmp_path / "builds" / "build.log"
    log.parent.mkdir()
    log.write_text("Hush, a log\n")
    store = open_store(data)
    for check in ("secret", "other", "secret.more"):
        add(store, check, "rpms/nginx", log, title="Hush", author="alice", private=True)
    add(store, "before", "o/later", log, title="Not public any more", created="2026-01-01")
    add(store, "after", "o/later", log, private=True, created="2026-01-02")
    history = open_history(store)
    application = make_application(
        forges={}, writer=GroupWriter(store), store=store, history=history, logs=tmp_path,
        metrics=Metrics(), health=Health(store, data), engine=None, webhook_bytes=1000,
        link_keys=KEYS,
    )  # fmt: skip
    async with TestClient(TestServer(application)) as client:
        yield client
    history.close()
    store.close()


def addresses(application) -> list[str]:
    """Every GET route there is, filled in; a new placeholder must be given a value here."""
    key = ImageKey("nginx", "minimal", "reference", "x86_64")
    values = {
        "repository": key.repository, "environment": key.environment, "workload": key.workload,
        "arch": key.arch, "name": "perl", "number": "0",
    }  # fmt: skip
    found = []
    for resource in application.router.resources():
        if not any(route.method == "GET" for route in resource):
            continue
        path = resource.canonical
        ids = ["secret", "before"] if "/checks/" in path else ["nginx-stays-small", "hush", "late"]
        for id_ in ids if "{id}" in path else [""]:
            found.append(re.sub(r"{(\w+)}", lambda m, i=id_: {**values, "id": i}[m[1]], path))
    return found


async def test_no_route_tells_of_a_private_repository(site) -> None:
    paths = addresses(site.app)
    assert len(paths) > 2 * len(PAGES)
    queries = [*paths, *(f"{path}?format=csv" for path in paths)]
    for path in list(queries):
        if path.endswith("format=csv"):
            queries += [f"{path}&table={t}" for t in ("causes", "steps", "accepted", "attention")]
    shown = 0
    for path in queries:
        async with site.get(path) as answer:
            text = (await answer.read()).decode(errors="replace")
        shown += answer.status == 200
        assert not [word for word in SECRETS if word in text], path
    assert shown > len(paths)  # the pages are there, and so are their tables


async def test_an_objective_of_a_private_repository_is_not_there(site) -> None:
    document = await (await site.get("/api/objectives")).json()
    assert {objective["id"] for objective in document["objectives"]} == {
        "nginx-stays-small",
        "curl",
    }
    for id_ in ("hush", "late"):
        for path in (
            f"/objectives/{id_}",
            f"/api/objectives/{id_}",
            f"/objectives/{id_}/badge.svg",
        ):
            async with site.get(path) as answer:
                assert answer.status == 404, path


async def test_a_cause_and_an_acceptance_say_that_they_are_private(site) -> None:
    image = await (await site.get("/api/images/reference/minimal/nginx/x86_64")).json()
    causes = [cause["cause"] for step in image["steps"] for cause in step["steps"]]
    (blamed,) = {json.dumps(c["pull_request"]) for c in causes if c["pull_request"]}
    assert json.loads(blamed) == {
        "forge": None, "repository": None, "number": None, "title": None, "author": None,
        "url": None, "private": True,
    }  # fmt: skip
    page = await (await site.get("/images/reference/minimal/nginx/x86_64")).text()
    assert "a private pull request" in page
    objective = await (await site.get("/api/objectives/nginx-stays-small")).json()
    (accepted,) = objective["accepted"]
    assert (accepted["private"], accepted["reason"], accepted["accepted_by"]) == (True, None, None)
    assert accepted["value"] == 63_000_000


@pytest.mark.parametrize("check", ["secret", "before"])
async def test_a_hidden_check_answers_as_one_that_is_not_there(site, check) -> None:
    for path in addresses(site.app):
        if f"/checks/{check}" not in path:
            continue
        for query in ("", "?key=", "?key=no", f"?key={KEYS.token('other')}"):
            if (check, query) == ("before", f"?key={KEYS.token('before')}"):
                continue
            answers = []
            for name in (check, "nothing-of-this-name"):
                address = path.replace(f"/checks/{check}", f"/checks/{name}")
                async with site.get(address + query, allow_redirects=False) as answer:
                    headers = {n: v for n, v in answer.headers.items() if n != "Date"}
                    answers.append((answer.status, headers, await answer.text()))
            assert answers[0] == answers[1]
            assert answers[0][0] == 404


async def test_a_link_opens_the_page_and_what_it_leads_to(site) -> None:
    token = KEYS.token("secret")
    async with site.get(f"/checks/secret?key={token}", allow_redirects=False) as answer:
        assert answer.status == 303
        assert answer.headers["Location"] == "/checks/secret"
        cookies = answer.headers.getall("Set-Cookie")
        assert {re.search("Path=([^;]+)", c)[1] for c in cookies} == {
            "/checks/secret",
            "/api/checks/secret",
        }
        for cookie in cookies:
            assert {"HttpOnly", "Secure", "SameSite=Lax"} <= set(cookie.split("; "))
            assert f"Max-Age={30 * DAY}" in cookie
        assert "Hush" not in await answer.text()
    cookie = {"Cookie": f"minimize-check={token}"}
    for path in (
        "/checks/secret", "/api/checks/secret", "/checks/secret/logs/0", "/checks/secret/graph.svg",
    ):  # fmt: skip
        async with site.get(path, headers=cookie) as answer:
            assert answer.status == 200, path
            text = await answer.text()
            assert answer.headers["Cache-Control"] == "private, no-store"
            assert answer.headers["Referrer-Policy"] == "no-referrer"
            assert "noindex" in answer.headers["X-Robots-Tag"]
            assert token not in text
            assert "Hush" in text or path.endswith("svg")


async def test_programs_give_the_token_in_the_query(site) -> None:
    token = KEYS.token("secret")
    for path in ("/api/checks/secret", "/checks/secret/logs/0", "/checks/secret/graph.svg"):
        async with site.get(f"{path}?key={token}", allow_redirects=False) as answer:
            assert answer.status == 200
            assert "Set-Cookie" not in answer.headers


async def test_a_link_opens_nothing_else(site) -> None:
    token = KEYS.token("secret")
    cookie = {"Cookie": f"minimize-check={token}"}
    for path in ("/checks/other", "/api/checks/secret.more", "/checks/after/logs/0"):
        async with site.get(path, headers=cookie) as answer:
            assert answer.status == 404
    # Nor does the other's signature with the rest of its id before it.
    more = KEYS.token("secret.more")
    async with site.get(f"/api/checks/secret?key=more.{more}") as answer:
        assert answer.status == 404
    for path in ("/checks", "/api/checks", "/", "/api/"):
        async with site.get(f"{path}?key={token}", headers=cookie) as answer:
            assert "Hush" not in await answer.text()
            assert "no-store" not in answer.headers.get("Cache-Control", "")


async def test_a_token_is_not_logged(site, caplog, monkeypatch) -> None:
    def breaks(*_: object) -> None:
        raise RuntimeError("a mistake")

    monkeypatch.setattr("bot.web.responses.checks.visible_check", breaks)
    caplog.set_level(logging.DEBUG)
    token = KEYS.token("secret")
    async with site.get(f"/api/checks/secret?key={token}") as answer:
        assert answer.status == 500
        assert token not in await answer.text()
    assert "/api/checks/secret failed" in caplog.text
    assert token not in caplog.text.replace(f'"GET /api/checks/secret?key={token} HTTP/1.1"', "")


def test_links_of_a_day_are_the_same_and_end_after_their_days(monkeypatch) -> None:
    now = 1_800_000_000 // DAY * DAY
    monkeypatch.setattr("bot.engine.links.time.time", lambda: now + 5.0)
    token = KEYS.token("c")
    monkeypatch.setattr("bot.engine.links.time.time", lambda: now + DAY - 5.0)
    assert KEYS.token("c") == token
    for days, good in ((0, True), (30, True), (31, False), (-1, False)):
        monkeypatch.setattr("bot.engine.links.time.time", lambda d=days: now + d * DAY + 7.0)
        assert KEYS.opens("c", token) is good, days


def test_a_key_can_be_rotated_and_taken_away() -> None:
    before, during, after = (LinkKeys(keys, 30) for keys in ((OLD,), (NEW, OLD), (NEW,)))
    old = before.token("c")
    assert during.opens("c", old)
    assert not after.opens("c", old)
    assert after.opens("c", during.token("c"))
    assert not during.opens("c", LinkKeys(("x" * 40,), 30).token("c"))
    for wrong in ("", ".", "a.b", "\ud800", "é", old[:-1], f"{old}=", f"{old};", "a" * 10_000):
        assert not before.opens("c", wrong)


def test_a_key_that_could_be_guessed_is_refused() -> None:
    with pytest.raises(UsageError, match="shorter than 32"):
        LinkKeys((NEW, "secret"), 30)


async def test_the_server_opens_with_the_keys_of_its_settings(settings_file, monkeypatch) -> None:
    monkeypatch.setenv("LINK_KEY", NEW)
    keys = "private_pages: {keys: [{env: LINK_KEY}], days: 7}\n"
    settings_file.write_text(settings_file.read_text() + keys)
    token = LinkKeys((NEW,), 7).token("c")
    bot = Bot(load_settings(settings_file), InThread(None))
    await bot.start()
    # A browser with cookies; requests have no TLS here, so they are not bound to it.
    async with ClientSession(cookie_jar=CookieJar(unsafe=True)) as browser:
        add(bot._store, "c", "o/r", settings_file, title="Hush", private=True)

        async def get(path: str) -> tuple[int, str]:
            async with browser.get(bot.url + path) as answer:
                return answer.status, await answer.text()

        assert (await get("/checks/c"))[0] == 404
        status, page = await get(f"/checks/c?key={token}")
        assert (status, "Hush" in page) == (200, True)
        for path in ("/checks/c", "/api/checks/c", "/checks/c/graph.svg"):
            assert (await get(path))[0] == 200
        assert (await get("/checks/c/logs/0"))[0] == 404  # its log is no file of ours
        assert "Hush" not in (await get("/checks"))[1]
    await bot.stop()
