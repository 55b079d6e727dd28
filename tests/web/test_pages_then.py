"""Pages of a day that is over, tables that are whole, drawings that say what they leave out."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import ClientSession

from bot.web.charts.graph import closure_graph, drawn_of
from bot.web.responses.steps import movement_of
from tests.web.rows import cause, package, step
from tests.web.sites import NGINX, prepare, serving

DATED = (
    "/", "/images", NGINX, "/objectives", "/objectives/nginx-stays-small", "/packages",
    "/packages/glibc", "/surface", "/checks",
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return prepare(tmp_path_factory.mktemp("site"), days=20)


@pytest.fixture
async def get(folder):
    async with serving(folder) as server, ClientSession() as session:

        async def ask(path: str, json: bool = False):
            base = str(server.make_url("/")).rstrip("/")
            async with session.get(f"{base}{path}") as answer:
                return answer.status, await (answer.json() if json else answer.text())

        yield ask


async def test_every_page_has_a_day_says_it_and_leads_back(get) -> None:
    day = (datetime.now(UTC) - timedelta(days=5)).strftime("%Y-%m-%d")
    for path in DATED:
        status, text = await get(f"{path}?date={day}")
        assert status == 200, path
        assert f"As of <strong>{day}</strong>" in text
        assert f'<a href="{path}">Back to today</a>' in text
        status, answer = await get(f"/api{path}?date={day}", json=True)
        assert (status, answer["date"]) == (200, day)
        for wrong in ("yesterday", "2026-02-30", "2026-1-1"):
            status, text = await get(f"{path}?date={wrong}")
            assert status == 400
            assert "is not a date: write 2027-03-01" in text


async def test_a_table_as_csv_is_whole_unless_a_limit_is_given(get) -> None:
    for path, count in (("/images", 16), ("/packages/glibc", 16), ("/packages", 32)):
        _, page = await get(f"{path}?limit=2")
        assert page.count("<tr>") <= 3 + 10  # its other tables are short
        _, text = await get(f"{path}?limit=2&offset=2&format=csv")
        assert len(list(csv.DictReader(io.StringIO(text)))) == 2
        _, text = await get(f"{path}?offset=2&format=csv")
        assert len(list(csv.DictReader(io.StringIO(text)))) == count, path


async def test_a_package_says_what_would_leave_with_it_in_each_image(get) -> None:
    _, answer = await get("/api/packages/glibc", json=True)
    each = [image["leaves"] for image in answer["images"] if image["leaves"]]
    assert answer["leaves"]["installed_size"] == sum(leaves["installed_size"] for leaves in each)
    assert all(leaves["packages"] == 4 for leaves in each)


def test_a_graph_that_leaves_packages_out_says_so() -> None:
    packages = [
        package(f"p{n}", requested=n == 0, required_by={f"p{n - 1}": "c"} if n else {})
        for n in range(70)
    ]
    assert drawn_of(packages, "") == (60, 70)
    assert "The nearest 60 of 70 packages are drawn." in closure_graph(packages, "")
    assert drawn_of(packages, "p69", 300) == (70, 70)
    assert "are drawn" not in closure_graph(packages, "p69", 300)


def test_who_moved_an_image_adds_up_to_how_far_it_moved() -> None:
    steps = [
        step(1, cause("a", 7, kind="pull request"), delta=7, packages_delta=1),
        step(2, cause("b", -5), delta=-2, packages_delta=None),
    ]
    answer = movement_of(steps)
    assert (answer.known_delta, answer.packages_delta, answer.steps) == (5, 1, 2)
    assert answer.by["pull request"] == 7
    assert sum(answer.by.values()) == 5  # what no cause explains is not known


async def test_what_leaves_with_a_package_is_summed_over_all_images_whatever_is_listed(get) -> None:
    _, whole = await get("/api/packages/glibc", json=True)
    _, part = await get("/api/packages/glibc?limit=2", json=True)
    assert len(part["images"]) == 2 < part["count"]
    assert part["leaves"] == whole["leaves"]
    assert part["leaves"]["images"] == sum(1 for image in whole["images"] if image["leaves"])
    _, page = await get("/packages/glibc?limit=2")
    assert "would leave with it, in all of them together" in page
    _, then = await get("/packages/glibc?limit=2&date=2999-01-01")
    assert "would leave with it, in the 2 images below" in then
