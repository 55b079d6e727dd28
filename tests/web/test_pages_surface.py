"""The pages of the attack surface: of every image, of one, and the drawings of an image's parts."""

from __future__ import annotations

import csv
import io
import itertools
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from bot.model.surface import Surface
from bot.store.history.values import SurfaceState
from bot.web.charts.bars import Tile, tiles
from bot.web.charts.svg import SERIES
from bot.web.responses.surface import items_words, kind_rows, surface_moves
from tests.web.seeded import HOSTILE, ODD
from tests.web.sites import NGINX, prepare


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return prepare(tmp_path_factory.mktemp("site"))


async def test_each_image_says_what_could_be_attacked_and_only_what_was_read(site) -> None:
    data = await (await site.get("/api/surface")).json()
    rows = {row["workload"]: row for row in data["images"]}
    assert set(rows) == {"nginx", "python", "curl", ODD} and data["known"] == 4
    assert rows["nginx"]["arches"] == ["x86_64", "aarch64", "ppc64le"]
    assert rows["python"]["items"]["interpreters"] == ["bash", "python3"]
    assert rows[ODD]["items"]["setuid"] == ['/usr/bin/<script>alert("&1")</script>', "/usr/bin/su"]
    assert (rows["curl"]["advisories"], rows["nginx"]["advisories"]) == (3, None)
    page = await (await site.get("/surface")).text()
    assert "<script>alert" not in page


async def test_what_came_and_went_is_of_the_chosen_time(site) -> None:
    month = await (await site.get("/api/surface?window=week")).json()
    nginx = next(row for row in month["images"] if row["workload"] == "nginx")
    assert (nginx["came"], nginx["went"]) == ({}, {})
    quarter = await (await site.get("/api/surface?window=quarter")).json()
    nginx = next(row for row in quarter["images"] if row["workload"] == "nginx")
    assert nginx["came"] is None, "the history does not reach back a quarter"
    assert (await site.get("/surface?sort=-came")).status == 200


async def test_an_image_has_its_kinds_its_moves_and_what_is_not_known(site) -> None:
    data = await (await site.get(f"/api{NGINX}")).json()
    assert data["surface"]["interpreters"] == ["bash"]
    assert [(move["came"], move["went"]) for move in data["surface_moves"]] == [
        ({}, {"interpreters": ["perl"]}),
        ({"interpreters": ["perl"]}, {}),
    ]
    unread = await (await site.get(NGINX.replace("x86_64", "s390x"))).text()
    assert "the headers of its packages were not read" in unread
    page = await (await site.get(NGINX)).text()
    assert "setup: its scriptlets run" in page and HOSTILE not in page
    assert "security fixes are not known" in page


def test_kinds_without_anything_are_left_out_and_unknown_ones_are_not() -> None:
    before = SurfaceState("2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z", Surface(setuid=("/a",)))
    after = SurfaceState("2026-02-01T00:00:00Z", None, Surface(interpreters=("perl",)))
    rows = {row.kind: (row.items, row.came, row.went) for row in kind_rows([before, after])}
    assert rows == {
        "setuid": ((), (), ("/a",)),
        "interpreters": (("perl",), ("perl",), ()),
        "users": (None, (), ()),
    }
    (move,) = surface_moves([before, after])
    assert (move.when, items_words(move.came)) == (after.since, "perl (interpreter)")
    assert (
        items_words({"setuid": ("/a", "/b", "/c", "/d")}) == "/a, /b, /c and 1 more (setuid files)"
    )


async def test_a_colour_of_the_treemap_is_one_part_of_the_image(site) -> None:
    drawing = tiles([
        Tile("a", 5, "requested"), Tile("b", 3, "comes along"), Tile("c", 2, "comes along")
    ])  # fmt: skip
    matches = re.findall(r'class="tile (\w+)"', drawing)
    assert matches == [SERIES[0], SERIES[5], SERIES[5]] or sorted(matches) == sorted(
        [SERIES[0], SERIES[5], SERIES[5]]
    )
    assert "requested by the workload" in drawing and "of the environment" not in drawing


async def test_the_icicle_is_as_wide_as_what_each_package_holds(site) -> None:
    text = await (await site.get(f"{NGINX}/icicle.svg")).text()
    root = ElementTree.fromstring(text)
    svg = "{http://www.w3.org/2000/svg}"
    boxes = [
        (float(r.get("x", 0)), float(r.get("width", 0)), float(r.get("y", 0)))
        for r in root.iter(f"{svg}rect")
        if (r.get("class") or "").startswith("tile")
    ]
    top = min(y for _, _, y in boxes)
    first = sorted((x, width) for x, width, y in boxes if y == top)
    assert sum(width for _, width in first) <= 958.5
    for (x, width), (following, _) in itertools.pairwise(first):
        assert abs(x + width - following) < 0.2
    titles = [t.text or "" for t in root.iter(f"{svg}title")]
    data = await (await site.get(f"/api{NGINX}")).json()
    for package in data["packages"]:
        held = package["leaves"]["packages"]
        words = f"{package['name']} holds {held} package{'s' if held != 1 else ''},"
        assert not any(t.startswith(package["name"] + " ") for t in titles) or any(
            t.startswith(words) for t in titles
        )


async def test_the_limits_of_objectives_are_drawn_in_an_images_history(site) -> None:
    text = await (await site.get(f"{NGINX}/size.svg")).text()
    assert "nginx stays small: limit 60 MB" in text and "nginx stays small: target 40 MB" in text
    other = await (await site.get(f"{NGINX.replace('nginx', 'python')}/size.svg")).text()
    assert ": limit" not in other


async def test_a_checks_page_shows_where_the_bytes_are_before_and_after(site) -> None:
    page = await (await site.get("/checks/over")).text()
    result = await (await site.get("/api/checks/over")).json()
    image = max(
        (i for i in result["images"] if i["changed"] and i["head"]["status"] == "ok"),
        key=lambda i: abs(i["head"]["known_size"] - i["base"]["known_size"]),
    )
    assert f"In {image['workload']} on {image['arch']}, the image with the largest change" in page
    after = await (await site.get("/checks/over/after.svg")).text()
    before = await (await site.get("/checks/over/before.svg")).text()
    for added in image["added"]:
        assert (added["nevra"].rsplit("-", 2)[0] in after) == bool(added["installed_size"])
    assert "comes in" in after and "comes in" not in before and "stays" in before
    text = await (await site.get("/checks/over?table=moved&format=csv")).text()
    rows = list(csv.DictReader(io.StringIO(text)))
    came = {a["nevra"].rsplit("-", 2)[0]: a["installed_size"] or 0 for a in image["added"]}
    assert {r["name"]: int(r["after"]) for r in rows if r["after"] and not r["before"]} == came
    assert rows[-1]["name"] == "" and "all others" in page
    assert sum(int(row["before"] or 0) for row in rows) == image["base"]["known_size"]
    assert sum(int(row["after"] or 0) for row in rows) == image["head"]["known_size"]
