"""Every table is there as CSV: the page's rows, whole, safe to open in a spreadsheet."""

import csv
import io
import re
from html import unescape

import pytest

from bot.model.closure import Edge
from bot.web.responses.packages import PackageInImage, ways_of
from bot.web.tables import Column, Table, to_csv
from tests.web.rows import KEY, nevra
from tests.web.sites import NGINX, PAGES, prepare

HOLDS_REPORT = ("check", "running-check", "error")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return prepare(tmp_path_factory.mktemp("site"), days=12)


def imported(value) -> str:
    """The value of a cell after a spreadsheet's parser."""
    text = to_csv(Table("t", (Column("X", name="x"),), [{"x": value}]))
    assert text.startswith("x\r\n")
    (row,) = list(csv.reader(io.StringIO(text, newline="")))[1:]
    return row[0]


@pytest.mark.parametrize(
    "value",
    ["=1+1", "+1", "-1", "@a", "\t=1", "\r=1", "\n=1", " =1", "\N{FULLWIDTH EQUALS SIGN}1"],
)
def test_what_would_be_a_formula_is_a_text(value) -> None:
    assert imported(value) == f"'{value}"


@pytest.mark.parametrize("value", ['a "b", c', "two\nlines", "a=b", ""])
def test_texts_are_quoted_and_else_as_they_are(value) -> None:
    assert imported(value) == value


def test_numbers_stay_numbers_and_what_is_not_known_is_empty() -> None:
    assert [imported(value) for value in (-5, 1.5, True, None)] == [
        "-5",
        "1.5",
        "true",
        "",
    ]


@pytest.mark.parametrize("name", [name for name in PAGES if name not in HOLDS_REPORT])
async def test_every_table_of_a_page_has_its_csv_with_all_its_rows(site, name) -> None:
    page = await (await site.get(PAGES[name])).text()
    main = page[page.index("<main") : page.index("</main>")]
    tables = re.split(r"<table>", main)[1:]
    links = [unescape(link) for link in re.findall(r'href="([^"]*format=csv[^"]*)"', main)]
    assert len(links) == len(tables) > 0
    for table, link in zip(tables, links, strict=True):
        body = table[table.index("<tbody>") : table.index("</tbody>")]
        shown = body.count("<tr>")
        answer = await site.get(link)
        assert (answer.status, answer.content_type) == (200, "text/csv")
        rows = list(csv.DictReader(io.StringIO(await answer.text())))
        cut = re.search(r"The first (\d+) of ([\d,]+)\.", table)
        there = int(cut[2].replace(",", "")) if cut else shown
        more = re.search(r'rel="next"', main) is not None
        assert len(rows) == there or (more and len(rows) > shown), link


async def test_all_architectures_are_compared_by_package(site) -> None:
    answer = await (await site.get(f"/api{NGINX}/architectures")).json()
    arches = ["x86_64", "aarch64", "ppc64le", "s390x"]
    assert [side["arch"] for side in answer["architectures"]] == arches
    assert all(list(row["on"]) == arches for row in answer["packages"])
    spreads = [row["spread"] for row in answer["packages"]]
    assert spreads == sorted(spreads, reverse=True) and spreads[0] > 0
    glibc = next(row for row in answer["packages"] if row["name"] == "glibc")
    assert glibc["differs"]
    sizes = [there["installed_size"] for there in glibc["on"].values()]
    assert glibc["spread"] == max(sizes) - min(sizes)
    text = await (await site.get(f"{NGINX}/architectures?format=csv")).text()
    row = next(r for r in csv.DictReader(io.StringIO(text)) if r["name"] == "glibc")
    assert [int(row[f"{arch}_installed_size"]) for arch in arches] == sizes


async def test_versions_compared_have_an_epoch_only_where_it_is_not_0(site) -> None:
    compared = f"{NGINX}/compare?with=s390x"
    answer = await (await site.get(f"/api{compared}")).json()
    versions = {row["name"]: row["from"] for row in answer["packages"]}
    assert versions["openssl-libs"].startswith("1:")
    assert not versions["glibc"].startswith("0:")
    assert "Left, x86_64" in await (await site.get(compared)).text()


async def test_a_package_that_one_architecture_lacks_is_shown_as_not_there(site) -> None:
    odd = PAGES["unsolvable"]
    answer = await (await site.get(f"/api{odd}/architectures")).json()
    assert {row["on"]["s390x"] for row in answer["packages"]} == {None}
    page = await (await site.get(f"{odd}/architectures")).text()
    assert "not there" in page


@pytest.mark.parametrize("query", ["ssl", "SSL", "libs openssl", "OpenSSL-Libs"])
async def test_packages_are_found_by_any_part_of_their_name_in_any_case(site, query) -> None:
    answer = await (await site.get("/api/packages", params={"q": query})).json()
    assert "openssl-libs" in {package["name"] for package in answer["packages"]}


async def test_the_package_of_that_very_name_comes_first(site) -> None:
    answer = await (await site.get("/api/packages?q=curl")).json()
    assert answer["packages"][0]["name"] == "curl"
    assert "libcurl" in {package["name"] for package in answer["packages"]}
    assert (await (await site.get("/api/packages?q=nothing")).json())["packages"] == []


def test_a_spare_column_is_on_the_page_only_where_it_says_something() -> None:
    columns = (Column("A", name="a"), Column("B", name="b", spare=True))
    rows = [{"a": "1", "b": None}, {"a": "2", "b": "x"}]
    assert [c.name for c in Table("t", columns, rows).shown] == ["a", "b"]
    assert [c.name for c in Table("t", columns, rows[:1]).shown] == ["a"]
    assert to_csv(Table("t", columns, rows[:1])).splitlines()[0] == "a,b"


async def test_a_package_that_all_its_images_hold_for_one_reason_says_so_once(site) -> None:
    page = await (await site.get("/packages/libssh")).text()
    assert "in all 4 images that hold it" in page
    assert "of the 4" not in page


async def test_the_packages_of_an_image_have_the_bytes_to_fetch(site) -> None:
    answer = await (await site.get(f"/api{NGINX}")).json()
    sizes = {package["name"]: package["download_size"] for package in answer["packages"]}
    text = await (await site.get(f"{NGINX}?table=packages&format=csv")).text()
    rows = {row["name"]: row["download_size"] for row in csv.DictReader(io.StringIO(text))}
    assert rows == {name: str(size) for name, size in sizes.items()}


async def test_a_truncated_table_is_shown_whole_on_request(site) -> None:
    for name in ("overview", "image", "surface"):
        page = await (await site.get(PAGES[name])).text()
        for link, table in re.findall(r'href="([^"]*limit=5000)#(table-[a-z_]+)"', page):
            whole = await (await site.get(unescape(link))).text()
            assert table in whole
            assert not re.search(r"The first \d+ of", whole), (name, table)


def test_a_package_that_is_there_for_many_reasons_tells_the_commonest() -> None:
    chains = [[Edge(nevra(f"p{n}"), "lib", nevra("lib"), "requires")] for n in range(12)]
    rows = [
        PackageInImage(KEY, str(nevra("lib")), 1, False, "", [], [tuple(chain)], [], None)
        for chain in [*chains, chains[3]]
    ]
    ways = ways_of(rows)
    assert len(ways) == 12
    assert ways[0] == ("p3 \N{RIGHTWARDS ARROW} lib", [rows[3], rows[12]])


async def test_what_one_image_needs_alone_is_a_row_whatever_its_architectures(site) -> None:
    answer = (await (await site.get("/api/surface")).json())["only_one"]
    sizes = [p["installed_size"] for p in answer if p["nevra"].startswith("krb5-libs-")]
    assert len(sizes) == 4
    text = await (await site.get("/surface?format=csv&table=only_one")).text()
    (row,) = [r for r in csv.DictReader(io.StringIO(text)) if r["name"] == "krb5-libs"]
    assert row["workload"] == "curl"
    assert row["architectures"] == "x86_64, aarch64, ppc64le, s390x"
    assert int(row["installed_size"]) == max(sizes)
