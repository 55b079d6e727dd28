"""The list of images: rows, growth, filters, order; and what finds things."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from bot.store.history.fleet_queries import GROWTH_DAYS
from bot.store.history.history import History, open_history
from bot.web.addresses import Order
from bot.web.responses.archive import Archive
from bot.web.responses.grid import path_of
from bot.web.responses.images import STATES
from bot.web.tables import Column, Table, ordered
from tests.web.seeded import seed
from tests.web.sites import prepare


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepare(tmp_path_factory.mktemp("site"))


async def images_page(site: Any, **query: str) -> Mapping[str, Any]:
    answer: Mapping[str, Any] = await (await site.get("/api/images", params=query)).json()
    return answer


async def test_alike_architectures_are_one_row_and_those_that_differ_are_not(site) -> None:
    data = await images_page(site)
    rows = [(row["workload"], row["arches"], row["status"]) for row in data["rows"]]
    assert len(rows) < len(data["images"])
    by_key = {(i["workload"], i["arch"]): i for i in data["images"]}
    for workload, found, status in rows:
        assert {by_key[workload, arch]["status"] for arch in found} == {status}
        totals = [by_key[workload, arch]["totals"] for arch in found]
        sizes = [total["known_size"] for total in totals if total]
        assert not sizes or max(sizes) - sizes[0] <= 0.25 * sizes[0]
    assert sum(len(found) for _, found, _ in rows) == len(data["images"]) == data["count"]


async def test_growth_is_the_sum_of_the_steps_of_each_time(site) -> None:
    data = await images_page(site)
    nginx = next(i for i in data["images"] if (i["workload"], i["arch"]) == ("nginx", "x86_64"))
    for window in ("week", "month", "quarter", "year"):
        path = f"/api/images/reference/minimal/nginx/x86_64?window={window}"
        steps = (await (await site.get(path)).json())["steps"]
        assert nginx["growth"][window] == sum(step["known_delta"] for step in steps), window


@pytest.mark.parametrize(
    ("query", "workloads"),
    [
        ({"maintainer": "WEB-SIG"}, {"nginx", "curl"}),
        ({"maintainer": "nobody"}, set()),
        ({"q": "nginx s390x"}, {"nginx"}),
    ],
)
async def test_a_maintainer_a_source_and_words_select(site, query, workloads) -> None:
    data = await images_page(site, **query)
    assert {row["workload"] for row in data["rows"]} == workloads
    assert {image["workload"] for image in data["images"]} == workloads


async def test_a_source_selects_the_images_that_hold_a_package_of_it(site) -> None:
    (libssh,) = (await (await site.get("/api/packages?q=libssh")).json())["packages"]
    data = await images_page(site, source=libssh["source"])
    held = (await (await site.get("/api/packages/libssh")).json())["images"]
    keys = {(image["workload"], image["arch"]) for image in held}
    assert keys <= {(image["workload"], image["arch"]) for image in data["images"]}
    assert (await images_page(site, source="nothing"))["images"] == []


async def test_a_state_selects_by_installing_or_by_objectives(site) -> None:
    data = await images_page(site, status="unsolvable")
    assert data["images"] and {i["status"] for i in data["images"]} == {"unsolvable"}
    objectives = (await (await site.get("/api/objectives")).json())["objectives"]
    for state in ("broken", "at risk", "met"):
        worst = {row["objectives"] for row in (await images_page(site, status=state))["rows"]}
        assert worst <= {state}
    stated = {image["outlook"] for one in objectives for image in one["images"]}
    for state in stated & set(STATES):
        assert (await images_page(site, status=state))["rows"] or state == "met"


async def test_what_grew_most_comes_first_with_the_cause_of_that_time(site) -> None:
    data = await images_page(site, sort="-year")
    growth = [row["growth"]["year"] for row in data["rows"]]
    assert growth == sorted(growth, reverse=True) and data["window"] == "year"
    row = next(row for row in data["rows"] if row["growth"]["year"])
    image = f"/api/images/reference/{row['environment']}/{row['workload']}/{row['arch']}"
    steps = (await (await site.get(f"{image}?window=year")).json())["steps"]
    most = max(abs(step["known_delta"]) for step in steps)
    assert abs(row["largest_step"]["known_delta"]) == most


async def test_from_the_front_page_two_clicks_lead_to_what_grew_and_by_whom(site) -> None:
    page = await (await site.get("/")).text()
    first = re.search(r'href="(/images\?sort=-month)">month<', page)
    assert first is not None
    listed_page = await (await site.get(first[1])).text()
    second = re.search(r'href="(/images\?maintainer=web-sig&amp;sort=-month)">', listed_page)
    assert second is not None
    mine = await (await site.get(unescape(second[1]))).text()
    assert "Images of web-sig" in mine and "What moved it most in the month" in mine


async def test_each_title_of_a_table_sorts_it_and_says_how(site) -> None:
    page = await (await site.get("/packages")).text()
    links = re.findall(r'<th scope="col"[^>]*><a href="([^"#]+)#table-packages">', page)
    assert len(links) >= 5
    for link in links:
        once = await (await site.get(unescape(link))).text()
        assert re.search(r'aria-sort="(de|a)scending"', once), link
    assert (await site.get("/packages?sort=colour")).status == 404
    assert (await site.get("/packages?sort=nothing.name")).status == 400


def test_rows_without_a_value_come_last_in_both_directions() -> None:
    columns = (Column("A", "size", name="a"),)
    rows = [{"a": None}, {"a": 2}, {"a": 10}]
    for descending, values in ((False, [2, 10, None]), (True, [10, 2, None])):
        order = ordered(rows, columns, Order("", "a", descending))
        assert [row["a"] for row in order] == values
    table = Table("t", columns, rows).first(1).sorted_by(Order("", "a", descending=True))
    assert (table.listed, table.count) == ([{"a": 10}], 3)


async def test_empty_cells_say_why_on_the_page_and_stay_empty_in_the_csv(site) -> None:
    page = await (await site.get("/images")).text()
    assert '<span class="quiet">nobody named</span>' in page
    text = await (await site.get("/images?format=csv&table=rows")).text()
    assert "nobody named" not in text
    # A spare column of nothing but empty cells is still left out.
    none = await (await site.get("/images?q=curl&status=unsolvable")).text()
    assert "Objectives</" not in none.partition("<table")[2]


async def test_a_search_finds_each_kind_of_thing(site) -> None:
    answer = await (await site.get("/api/search?q=nginx")).json()
    kinds = {hit["kind"]: hit for hit in answer["hits"]}
    assert set(kinds) == {"package", "image", "objective", "pull request"}
    for hit in kinds.values():
        assert (await site.get(hit["url"])).status == 200
    assert answer["hits"][0]["name"] == "nginx"
    nothing = await (await site.get("/api/search?q=")).json()
    assert nothing["hits"] == []


async def test_the_front_page_says_who_moved_what_in_the_chosen_time(site) -> None:
    week = await (await site.get("/api/?window=week")).json()
    year = await (await site.get("/api/?window=year")).json()
    assert (week["window"], year["window"]) == ("week", "year")
    deed = next(deed for deed in year["deeds"] if deed["kind"] == "pull request")
    assert deed["what"].startswith("rpms/nginx#") and deed["by"] and deed["images"] >= 1


async def test_the_grid_has_each_workload_on_each_architecture_with_its_curve(site) -> None:
    data = await (await site.get("/api/grid")).json()
    assert data["arches"] == ["x86_64", "aarch64", "ppc64le", "s390x"]
    images = {(i["workload"], i["arch"]): i for i in (await images_page(site))["images"]}
    for row in data["rows"]:
        for arch, cell in row["on"].items():
            image = images[row["workload"], arch]
            size = image["totals"]["known_size"] if image["totals"] else None
            assert (cell["known_size"], cell["growth"]) == (size, image["growth"]["year"])
            if size is not None:
                assert cell["curve"][-1][1] == size
                assert cell["curve"][-1][1] - cell["curve"][0][1] == image["growth"]["year"]
    page = await (await site.get("/grid?sort=-s390x")).text()
    assert page.count('class="spark"') == sum(
        bool(cell["curve"]) for row in data["rows"] for cell in row["on"].values()
    )


@pytest.fixture
def history(tmp_path) -> Iterator[History]:
    opened = open_history(tmp_path)
    yield opened
    opened.close()
    opened.store.close()


def test_moves_of_a_year_are_as_many_as_a_small_curve_shows(history) -> None:
    keys = seed(history, days=90)
    moves = history.bends(366, parts=24)
    growth = history.growth()
    for key in keys:
        assert [part for part, _ in moves[key]] == sorted({part for part, _ in moves[key]})
        assert all(0 <= part < 24 for part, _ in moves[key])
        assert sum(delta for _, delta in moves[key]) == growth[key].year
    assert sum(map(len, moves.values())) < sum(len(history.steps(key)) for key in keys)


def test_what_a_page_of_a_year_needs_is_read_once_between_two_runs(history, monkeypatch) -> None:
    seed(history, days=9)
    archive = Archive(history.store, history)
    archive.warm()
    for name in ("movers", "contributions", "bends", "growth", "largest_steps"):
        monkeypatch.setattr(history, name, None)
    for window in GROWTH_DAYS:
        assert archive.movers(window) and archive.contributions(window) and archive.bends(window)


def test_a_curve_goes_from_its_smallest_to_its_largest_value() -> None:
    assert path_of([]) == ""
    assert path_of([(0.0, 5)]) == "M0 15.0H72"
    assert path_of([(0.0, 0), (0.5, 10), (0.75, 5)]) == "M0 15.0H36V1.0H54V8.0H72"
