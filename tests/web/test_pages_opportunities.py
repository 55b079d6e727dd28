"""The page of opportunities: its states, its filters by link, one edit with texts to copy."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from bot.model.advice import Change, Evidence
from bot.model.opportunity import Opportunity, OpportunityImage
from bot.report.advice import opportunity_texts
from bot.store.history.history import open_history
from bot.store.opportunities import Opportunities, Place
from bot.store.store import open_store
from tests.web.sites import application, prepare

ARCHES = ("aarch64", "x86_64")
HOSTILE = "<script>alert(1)</script>"
EDITS = (
    Change("order", "nginx", "nginx", "systemd", True, "%{?systemd_ordering}", 50_000_000,
           maintainers=("web-sig",), evidence=Evidence(use=(), looked_into="files")),
    Change("weaken", "git", "git", "perl", None, f"Recommends: {HOSTILE}", 8_000_000,
           maintainers=("tools-sig",)),
    Change("prefer", "curl", "curl", "libcurl", True, "Suggests: libcurl-minimal", 7_000_000),
)  # fmt: skip


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Any]:
    folder = prepare(tmp_path, days=3)
    history = open_history(folder / "data")
    opportunities = Opportunities(history.store)
    with history.store.writing() as db:  # the site's own
        db.execute("delete from opportunity_images")
        db.execute("delete from opportunities")
    place = Place("reference", "nginx", "minimal")
    found = [(c, OpportunityImage("nginx", "minimal", ARCHES, c.saves)) for c in EDITS]
    best_before = Change("weaken", "nginx", "nginx", "dash", True, "Recommends: dash", 1)
    earlier = [(best_before, OpportunityImage("nginx", "minimal", ARCHES, 1))]
    opportunities.record(place, "w", earlier)
    opportunities.record(place, "x", found)
    opportunities.record(
        Place("reference", "git", "minimal"),
        "x",
        [(EDITS[1], OpportunityImage("git", "minimal", ARCHES, 1_000_000))],
    )
    systemd, *_ = opportunities.all()
    opportunities.propose([systemd.id], "https://forge.example/7")
    async with TestClient(TestServer(application(history.store, history, folder))) as client:
        yield client
    history.close()
    history.store.close()


async def edits(site: Any, query: str = "") -> list[str]:
    answer = await site.get(f"/api/opportunities{query}")
    assert answer.status == 200
    return [opportunity["edit"] for opportunity in (await answer.json())["opportunities"]]


async def test_those_that_save_most_come_first_and_links_filter_them(site: Any) -> None:
    assert await edits(site) == ["nginx:systemd", "git:perl", "curl:libcurl"]
    assert await edits(site, "?state=proposed") == ["nginx:systemd"]
    assert await edits(site, "?source=git") == ["git:perl"]
    assert await edits(site, "?maintainer=web-sig") == ["nginx:systemd"]
    assert await edits(site, "?workload=git") == ["git:perl"]
    assert await edits(site, "?offset=1&limit=1") == ["git:perl"]
    assert (await site.get("/opportunities?state=lost")).status == 404
    text = await (await site.get("/opportunities")).text()
    assert '<a href="/opportunities?source=git">git</a>' in text
    assert 'href="/opportunities?state=found"' in text
    assert "<script>" not in text and HOSTILE not in text
    assert "Saved when it landed" not in text  # none did


async def test_the_lines_of_a_split_are_on_its_page_alone(tmp_path: Path, site: Any) -> None:
    lines = "%package -n python3-tk\n%files -n python3-tk\n/usr/lib64/_tkinter.so"
    split = Change("split", "python3", "python3", "libtk.so", False, lines, 3)
    history = open_history(tmp_path / "data")
    found = [(split, OpportunityImage("python", "minimal", ARCHES, 3))]
    Opportunities(history.store).record(Place("reference", "python", "minimal"), "x", found)
    history.close()
    history.store.close()
    listed = await (await site.get("/opportunities")).text()
    assert "a subpackage" in listed
    assert "_tkinter" not in listed
    (row,) = (await (await site.get("/api/opportunities?source=python3")).json())["opportunities"]
    assert row["to"] == lines
    page = await (await site.get(f"/opportunities/{row['id']}")).text()
    assert page.count("_tkinter") == 1
    assert f"\n{lines}\n" in page


async def test_one_edit_has_its_evidence_its_images_and_texts_to_copy(site: Any) -> None:
    answer = await site.get("/api/opportunities?source=nginx")
    (row,) = (await answer.json())["opportunities"]
    assert (row["saves"], row["state"], row["url"]) == (
        50_000_000, "proposed", "https://forge.example/7",
    )  # fmt: skip
    page = await (await site.get(f"/api/opportunities/{row['id']}")).json()
    assert page["commit"].startswith("nginx: order after systemd instead of requiring it\n\n")
    assert page["evidence"] == ["No file, scriptlet or unit of what stays names what would leave."]
    assert [(i["workload"], i["saves"]) for i in page["images"]] == [("nginx", 50_000_000)]
    text = await (await site.get(f"/opportunities/{row['id']}")).text()
    assert "/minimize decline nginx:systemd REASON" in text
    assert 'href="/images/reference/minimal/nginx/aarch64"' in text
    assert "Before it landed" not in text  # it has not


async def test_texts_to_copy_come_before_images_of_which_a_page_lists_the_first(
    tmp_path: Path, site: Any
) -> None:
    store = open_store(tmp_path / "data")
    edit = replace(EDITS[0], package="openssl-libs")
    for number in range(120):
        name = f"workload-{number:03d}"
        image = OpportunityImage(name, "minimal", ARCHES, edit.saves)
        Opportunities(store).record(Place("reference", name, "minimal"), "x", [(edit, image)])
    (one,) = [o for o in Opportunities(store).all() if o.change.package == "openssl-libs"]
    store.close()
    text = await (await site.get(f"/opportunities/{one.id}")).text()
    assert "The first 100 of 120" in text and "workload-119" not in text
    assert text.index("The commit:") < text.index("workload-000")
    page = await (await site.get(f"/api/opportunities/{one.id}")).json()
    assert len(page["images"]) == 120
    assert "workload-119" in await (await site.get(f"/opportunities/{one.id}?limit=5000")).text()
    assert (await site.get("/opportunities/nowhere")).status == 404


async def test_what_landed_has_the_sizes_of_its_images_and_where_it_was_merged(
    tmp_path: Path, site: Any
) -> None:
    store = open_store(tmp_path / "data")
    git = next(
        opportunity for opportunity in Opportunities(store).all() if opportunity.edit == "git:perl"
    )
    sizes = [replace(i, before=i.saves + 5_000_000, after=5_000_000) for i in git.images]
    landed = replace(git, url="https://forge.example/8", published=False)
    Opportunities(store).land(landed, sizes)
    store.close()
    page = await (await site.get(f"/api/opportunities/{git.id}")).json()
    about = page["opportunity"]
    assert (about["state"], about["saved"], about["published"]) == ("landed", 9_000_000, False)
    assert {(i["before"], i["after"]) for i in page["images"]} == {
        (13_000_000, 5_000_000), (6_000_000, 5_000_000),
    }  # fmt: skip
    text = await (await site.get(f"/opportunities/{git.id}")).text()
    assert '<a href="https://forge.example/8">' in text
    assert "not in the published packages yet" in text
    assert f"Opportunity: {git.id}" in text


async def test_an_image_has_what_would_make_it_smaller(site: Any) -> None:
    image = "images/reference/minimal/nginx/x86_64"
    document = await (await site.get(f"/api/{image}")).json()
    assert [edit["edit"] for edit in document["smaller"]] == [
        "nginx:systemd",
        "git:perl",
        "curl:libcurl",
    ]
    text = await (await site.get(f"/{image}")).text()
    assert "What would make it smaller" in text and "nginx:systemd" in text


@pytest.mark.parametrize(
    ("change", "subject"),
    [
        (EDITS[1], "git: do not require perl"),
        (EDITS[2], "curl: suggest libcurl-minimal beside the requirement of libcurl"),
        (
            Change("request", "nginx", "nginx", "nginx", True, "nginx-core"),
            "nginx-core is requested instead of nginx",
        ),
    ],
)
def test_the_texts_are_plain_and_name_the_edit_and_its_images(change: Change, subject: str) -> None:
    images = tuple(OpportunityImage(f"w{n}", "minimal", ARCHES, 1_000_000) for n in range(7))
    texts = opportunity_texts(Opportunity("c9", change, "found", "", "", images))
    first, _, body = texts.commit.partition("\n\n")
    assert first == subject
    assert "7 MB in 7 images" in body.replace("\n", " ")
    assert "w0, w1, w2, w3, w4 and 2 more" in body.replace("\n", " ")
    assert all(len(line) <= 72 for line in body.splitlines())
    assert texts.changelog == f"- {subject}"
    assert change.to in texts.report.replace("\n", " ")
