"""Every page of history, as people and as programs get it."""

from __future__ import annotations

import csv
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import quote
from xml.etree import ElementTree

import jsonschema
import pytest
from aiohttp.test_utils import TestClient, TestServer

from bot.model.result_json import check_to_json
from bot.model.spec import BuildNote
from bot.store.deliveries import GroupWriter
from bot.store.history.history import open_history
from bot.store.records import CheckRecord
from bot.store.store import open_store
from bot.web.application import make_application
from bot.web.health import Health
from bot.web.metrics import Metrics
from bot.web.openapi import describe
from tests.report.conftest import result
from tests.web.seeded import HOSTILE, ODD, seed

NGINX = "/images/reference/minimal/nginx/x86_64"
STRANGE = f"/images/reference/minimal/{quote(ODD, safe='')}/s390x"
PAGES = {
    "/": "/api/",
    "/images": "/api/images",
    NGINX: "/api/images/{repository}/{environment}/{workload}/{arch}",
    f"{NGINX}?package=perl": "/api/images/{repository}/{environment}/{workload}/{arch}",
    STRANGE: "/api/images/{repository}/{environment}/{workload}/{arch}",
    f"{NGINX}/compare?with=s390x": (
        "/api/images/{repository}/{environment}/{workload}/{arch}/compare"
    ),
    f"{NGINX}/architectures": (
        "/api/images/{repository}/{environment}/{workload}/{arch}/architectures"
    ),
    "/objectives": "/api/objectives",
    "/objectives/nginx-stays-small": "/api/objectives/{id}",
    "/packages": "/api/packages",
    "/packages/glibc": "/api/packages/{name}",
    f"/packages/{quote(HOSTILE, safe='')}": "/api/packages/{name}",
    "/packages/libstdc%2B%2B": "/api/packages/{name}",
    "/surface": "/api/surface",
    "/checks": "/api/checks",
    "/checks/built": "/api/checks/{id}",
}
PICTURES = (
    f"{NGINX}/size", f"{NGINX}/packages", f"{NGINX}/treemap", f"{NGINX}/architectures",
    f"{STRANGE}/treemap", f"{STRANGE}/size", "/objectives/nginx-stays-small/burn-down",
    "/objectives/curl/burn-down", "/surface/versions", "/movers",
)  # fmt: skip
DRAWINGS = (
    f"{NGINX}/graph", f"{NGINX}/graph?package=zlib", f"{NGINX}/badge", f"{STRANGE}/badge",
    f"{STRANGE[:-5]}x86_64/graph?package={quote(HOSTILE)}", "/objectives/nginx-stays-small/badge",
)  # fmt: skip
VOID = {"meta", "link", "input", "img", "br", "hr"}


class Page(HTMLParser):
    """Counts what a page must have; complains about tags that are not closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.ids: list[str] = []
        self.tables: list[dict[str, int]] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs) -> None:
        self.tags.append(tag)
        values = dict(attrs)
        assert not any(name.startswith("on") or name == "style" for name in values)
        self.addresses += [values[n] for n in ("href", "src", "data", "action") if values.get(n)]
        self.ids += [values["id"]] if "id" in values else []
        if tag == "table":
            self.tables.append({"caption": 0, "th": 0})
        elif tag in ("caption", "th"):
            self.tables[-1][tag] += 1
            assert tag == "caption" or values.get("scope") in ("col", "row")
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag) -> None:
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    history = open_history(folder)
    seed(history, days=45)
    history.close()
    history.store.close()
    return folder


@pytest.fixture
async def site(data, tmp_path):
    (tmp_path / "builds" / "k").mkdir(parents=True)
    log = tmp_path / "builds" / "k" / "build.log"
    log.write_text("made <it>\n")
    store = open_store(data)
    history = open_history(store)
    builds = (
        BuildNote("base", "nginx.spec", "x86_64", "built", "", str(log), 3.0),
        BuildNote("head", "nginx.spec", "x86_64", "head-failed", "no", "/etc/passwd", 3.0),
    )
    document = check_to_json(result(builds=builds))
    for name, private in (("built", False), ("secret", True)):
        record = CheckRecord(
            id=name, forge="github", repository=f"o/{name}", number=7, head_sha="a" * 40,
            stage="final", verdict="success", open=False, private=private,
            result=document,
        )  # fmt: skip
        if not store.add_check(record):
            store.update_check(name, result=document)
    application = make_application(
        forges={}, writer=GroupWriter(store), store=store, history=history, logs=tmp_path,
        metrics=Metrics(), health=Health(store, data), engine=None, webhook_bytes=1000,
    )  # fmt: skip
    async with TestClient(TestServer(application)) as client:
        yield client
    history.close()
    store.close()


@pytest.mark.parametrize("path", PAGES)
async def test_a_page_is_sound_html_that_asks_nothing_of_other_hosts(site, path) -> None:
    answer = await site.get(path)
    text = await answer.text()
    assert (answer.status, answer.content_type) == (200, "text/html"), text
    page = Page(text)
    assert page.tags.count("h1") == page.tags.count("main") == page.tags.count("title") == 1
    assert "script" not in page.tags
    assert all(table["caption"] == 1 and table["th"] for table in page.tables) or "/checks/" in path
    assert len(page.ids) == len(set(page.ids))
    loaded = re.findall(r'<(?:link|img|object|script)[^>]*(?:href|src|data)="([^"]*)"', text)
    assert all(address.startswith("/") for address in loaded)
    assert not any(address.lower().startswith("javascript") for address in page.addresses)


@pytest.mark.parametrize("path", PAGES)
async def test_what_a_page_leads_to_is_there(site, path) -> None:
    page = Page(await (await site.get(path)).text())
    own = {a.split("#")[0] for a in page.addresses if a.startswith("/")}
    # Many rows of a table lead to pages of one kind: some of each are enough.
    kinds: dict[str, list[str]] = {}
    for address in sorted(own - {""}):
        kinds.setdefault(re.sub(r"[^/?=]+(?=$|[/?&])", "x", address)[:40], []).append(address)
    for address in (a for kind in kinds.values() for a in kind[:3]):
        if address.endswith("/logs/1"):
            continue  # lies outside of the cache
        answer = await site.get(address)
        assert answer.status == 200, address


@pytest.mark.parametrize(("path", "described"), PAGES.items())
async def test_json_is_as_openapi_describes_it(site, path, described) -> None:
    answer = await site.get(f"/api{path}")
    body = await answer.json()
    assert answer.status == 200, body
    description = describe()
    operation = description["paths"][described]["get"]
    schema = operation["responses"]["200"]["content"]["application/json"]["schema"]
    jsonschema.validate(body, {**schema, "components": description["components"]})


async def test_every_table_is_there_as_csv(site) -> None:
    description = describe()
    for path, described in PAGES.items():
        parameters = description["paths"][described]["get"]["parameters"]
        names = next((p["schema"]["enum"] for p in parameters if p["name"] == "table"), ())
        mark = "&" if "?" in path else "?"
        for name in names:
            answer = await site.get(f"{path}{mark}format=csv&table={name}")
            assert (answer.status, answer.content_type) == (200, "text/csv"), (path, name)
            rows = list(csv.reader(io.StringIO(await answer.text())))
            assert len({len(row) for row in rows}) == 1
    answer = await site.get("/surface?format=csv&table=versions")
    rows = list(csv.DictReader(io.StringIO(await answer.text())))
    assert HOSTILE in {row["name"] for row in rows}
    assert int(next(row["images"] for row in rows if row["name"] == "glibc")) == 16


@pytest.mark.parametrize("path", PICTURES)
async def test_charts_are_drawn_as_svg_and_png(site, path) -> None:
    answer = await site.get(f"{path}.svg")
    text = await answer.text()
    assert (answer.status, answer.content_type) == (200, "image/svg+xml"), text
    assert not any(e.tag.endswith("script") for e in ElementTree.fromstring(text).iter())
    assert "script-src" not in answer.headers["Content-Security-Policy"]  # so none at all
    # A step leads to its pull request; nothing is loaded from elsewhere.
    assert not re.search(r'<(?!a )[^>]*(?:href|src)="(?:https?:)?//', text)
    assert await (await site.get(f"{path}.svg?theme=dark")).text() != text
    answer = await site.get(f"{path}.png")
    assert (await answer.read())[:4] == b"\x89PNG"


@pytest.mark.parametrize("path", DRAWINGS)
async def test_graphs_and_badges_are_svg_without_foreign_text_that_acts(site, path) -> None:
    name, _, query = path.partition("?")
    answer = await site.get(f"{name}.svg?{query}")
    text = await answer.text()
    assert (answer.status, answer.content_type) == (200, "image/svg+xml"), text
    assert "<svg" in text
    assert "<script" not in text
    if "/graph" in name:
        (style,) = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
        assert "url(/static/chart-font." in style
        assert ".need" in style
    assert "<b>" not in text


async def test_a_step_names_its_pull_request_and_the_curve_shows_it(site) -> None:
    body = await (await site.get(f"/api{NGINX}")).json()
    step = max(body["steps"], key=lambda s: s["known_delta"])
    blamed = [c for c in step["steps"] if c["cause"]["pull_request"]]
    assert "perl" in {c["package"] for c in blamed}
    assert sum(c["delta"] for c in step["steps"]) == step["delta"]
    page = await (await site.get(NGINX)).text()
    assert 'href="https://forge.example/rpms/nginx/pull/7"' in page
    assert "pull request rpms/nginx#7" in await (await site.get(f"{NGINX}/size.svg")).text()


async def test_a_page_of_a_date_shows_that_day(site) -> None:
    now = await (await site.get(f"/api{NGINX}")).json()
    step = max(now["steps"], key=lambda s: s["known_delta"])
    then = await (await site.get(f"/api{NGINX}?date={step['evaluated']}&package=perl")).json()
    assert "perl" in {p["name"] for p in then["packages"]}
    assert "perl" not in {p["name"] for p in now["packages"]}
    assert then["highlight"]["chains"][0][0]["from"].startswith("nginx-0:")
    assert then["evaluated"] == step["evaluated"]
    assert (await site.get(f"{NGINX}?date=1999-01-01")).status == 404
    for query in ("date=tomorrow", "date=2026-02-30", "since=1"):
        assert (await site.get(f"{NGINX}?{query}")).status == 400
    compared = f"/api{NGINX}/compare?from={step['evaluated']}"
    changes = {
        p["name"]: p["change"] for p in (await (await site.get(compared)).json())["packages"]
    }
    assert changes["perl"] == "went"


async def test_what_would_leave_with_a_package_is_counted(site) -> None:
    body = await (await site.get(f"/api{NGINX}")).json()
    leaves = {p["name"]: p["leaves"]["packages"] for p in body["packages"]}
    assert leaves["ncurses-libs"] == 2  # and ncurses-base
    assert leaves["zlib"] == 1


async def test_an_image_that_cannot_be_installed_says_why(site) -> None:
    body = await (await site.get(f"/api{STRANGE}")).json()
    assert (body["status"], body["packages"], body["totals"]) == ("unsolvable", None, None)
    page = await (await site.get(STRANGE)).text()
    assert "It cannot be installed." in page
    assert page.count("nothing provides &lt;script&gt;") == 1
    assert "and 1 more cause, in these packages" in page


async def test_what_is_not_there_is_404_in_words(site) -> None:
    for path in ("/images/a/b/c/d", "/packages/none", "/objectives/none", "/checks/none",
                 "/images/a/b/c/d/size.svg", "/objectives/none/badge.svg"):  # fmt: skip
        answer = await site.get(path)
        assert (answer.status, answer.content_type) == (404, "text/html")
    for path in ("/api/packages/none", "/api/none"):
        answer = await site.get(path)
        assert answer.status == 404
        assert set(json.loads(await answer.text())) == {"error"}
    for query in ("format=xml", "format=csv&table=none", "offset=-1"):
        assert (await site.get(f"/images?{query}")).status == 400


async def test_logs_of_builds_are_served_by_number_and_no_other_file_is(site) -> None:
    body = await (await site.get("/api/checks/built")).json()
    assert [build["log"] for build in body["builds"]] == [
        "/checks/built/logs/0",
        "/checks/built/logs/1",
    ]
    answer = await site.get("/checks/built/logs/0")
    assert (answer.status, answer.content_type) == (200, "text/plain")
    assert await answer.text() == "made <it>\n"
    page = await (await site.get("/checks/built")).text()
    assert 'href="/checks/built/logs/0"' in page
    assert "/etc/passwd" not in page
    assert "build.log" not in page
    for path in ("built/logs/1", "built/logs/2", "built/logs/x", "secret/logs/0", "none/logs/0"):
        assert (await site.get(f"/checks/{path}")).status == 404


async def test_openapi_describes_every_page_and_picture_there_is(site) -> None:
    body = await (await site.get("/api/openapi.json")).json()
    served = {
        f"{resource.canonical}"
        for resource in site.server.app.router.resources()
        if resource.canonical.startswith("/api/") or resource.canonical.endswith((".svg", ".png"))
    }
    assert served - {"/api/openapi.json"} == set(body["paths"])
