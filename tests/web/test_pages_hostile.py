"""Names, titles, reasons, messages and log lines that would act if they were taken for markup."""

from __future__ import annotations

import csv
import io
import json
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest
from aiohttp import ClientSession

from tests.web.seeded import HOSTILE
from tests.web.sites import LOG, NGINX, PAGES, STRANGE, prepare, serving

DRAWINGS = (
    "/movers.svg", f"{NGINX}/size.svg", f"{STRANGE}/treemap.svg", f"{STRANGE}/size.svg",
    f"{STRANGE}/badge.svg", f"{STRANGE}/graph.svg", "/checks/over/graph.svg",
    "/objectives/nginx-stays-small/badge.svg?label=%3Cscript%3E", "/surface/versions.svg",
)  # fmt: skip
SEEN = {"overview", "image", "unsolvable", "objective", "hostile-package", "surface", "check"}


class Text(HTMLParser):
    """The tags of a page, and its text."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.text = ""
        self.acting: list[str] = []
        self.feed(markup)

    def handle_starttag(self, tag, attrs) -> None:
        self.tags.append(tag)
        self.acting += [name for name, _ in attrs if name.startswith("on") or name == "style"]
        self.acting += [v for _, v in attrs if v and v.strip().lower().startswith("javascript:")]

    def handle_data(self, data) -> None:
        self.text += data


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return prepare(tmp_path_factory.mktemp("site"), days=20)


@pytest.fixture
async def site(folder):
    async with serving(folder) as server, ClientSession() as session:

        async def get(path: str):
            async with session.get(f"{str(server.make_url('/')).rstrip('/')}{path}") as answer:
                return answer.status, answer.headers, await answer.text()

        yield get


async def test_hostile_text_is_shown_as_it_is_on_every_page(site) -> None:
    shown = set()
    for name, path in PAGES.items():
        _, headers, markup = await site(path)
        page = Text(markup)
        assert "script" not in page.tags, name
        assert page.acting == [], name
        if HOSTILE in page.text:
            shown.add(name)
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "script-src" not in policy  # so none at all
        assert headers["X-Content-Type-Options"] == "nosniff"
    assert shown >= SEEN


@pytest.mark.parametrize("path", DRAWINGS)
async def test_no_drawing_runs_what_came_from_outside(site, path) -> None:
    status, headers, markup = await site(path)
    assert status == 200
    drawing = ElementTree.fromstring(markup)
    for element in drawing.iter():
        assert not element.tag.endswith("}script")
        assert not any(name.lower().startswith("on") for name in element.attrib)
        for name, value in element.attrib.items():
            assert not (name.endswith("href") and value.lower().startswith("javascript"))
    assert "unsafe" not in headers["Content-Security-Policy"]
    assert "script-src" not in headers["Content-Security-Policy"]


async def test_a_log_is_text_whatever_stands_in_it(site) -> None:
    status, headers, text = await site("/checks/over/logs/0")
    assert (status, text) == (200, LOG)
    assert headers["Content-Type"] == "text/plain; charset=utf-8"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "default-src 'none'" in headers["Content-Security-Policy"]


async def test_a_spreadsheet_takes_nothing_for_a_formula(site) -> None:
    _, _, text = await site("/checks?format=csv")
    for row in csv.reader(io.StringIO(text)):
        assert not any(cell.startswith(("=", "+", "@", "-")) for cell in row)


async def test_markdown_to_copy_keeps_foreign_names_apart(site) -> None:
    _, _, markup = await site(STRANGE)
    (line,) = {t for t in Text(markup).text.splitlines() if "badge.svg" in t and "[![" in t}
    label = line[line.index("[![") + 3 : line.index("](")]
    assert "<" not in label
    assert "]" not in label.replace("\\]", "")
    assert "\n" not in line


async def test_errors_repeat_nothing_that_acts(site) -> None:
    for path in ("/%3Cscript%3E", "/packages/%3Cscript%3E", "/images?date=%3Cscript%3E"):
        status, _, markup = await site(path)
        assert status in (400, 404)
        assert "script" not in Text(markup).tags
    _, _, text = await site("/api/images?date=%3Cscript%3E")
    assert set(json.loads(text)) == {"error"}
