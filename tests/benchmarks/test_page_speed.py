"""Every page, its JSON, its tables and its pictures at five years of 2,000 images, over HTTP.

Each is asked as nobody asked before, then three times again: of those the one in the middle counts.
Prints the table; the CPU's time, of server and client, tells how much of it was waiting for others
on the machine. And the pages in Chromium, with axe-core, on the same data.

./deploy/test --benchmarks tests/benchmarks/test_page_speed.py
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import ClientSession
from aiohttp.test_utils import TestServer

from tests.benchmarks.five_years import seed_five_years
from tests.web.browsing import browser, look_at, needs_chromium
from tests.web.sites import OPPORTUNITY, add_checks, add_opportunity, application

pytestmark = pytest.mark.benchmark
MOST = 0.2
IMAGE = "/images/big/minimal/workload-007/x86_64"
PAGES = (
    "/", "/images", IMAGE, f"{IMAGE}?package=package-0001", f"{IMAGE}?window=all",
    f"{IMAGE}/compare?from=2023-05-05", f"{IMAGE}/compare?with=s390x", f"{IMAGE}/architectures",
    "/objectives", "/packages?q=0417", "/images?q=007",
    "/objectives/objective-007", "/packages", "/packages/package-0001", "/surface", "/checks",
    "/checks/over", "/grid", "/search?q=0417", "/opportunities", f"/opportunities/{OPPORTUNITY.id}",
)  # fmt: skip
THEN = (
    "/", "/images", IMAGE, f"{IMAGE}/architectures", "/objectives", "/objectives/objective-007",
    "/packages", "/packages/package-0001", "/surface", "/checks",
)  # fmt: skip
TABLES = (
    "/images?format=csv", f"{IMAGE}?format=csv", f"{IMAGE}?format=csv&table=causes",
    "/objectives?format=csv", "/objectives/objective-007?format=csv&table=history",
    "/packages?format=csv", "/packages/package-0001?format=csv&limit=25", "/surface?format=csv",
    "/?format=csv&table=attention",
)  # fmt: skip
CHARTS = (
    f"{IMAGE}/size", f"{IMAGE}/packages", f"{IMAGE}/treemap", f"{IMAGE}/architectures",
    f"{IMAGE}/icicle", "/checks/over/before", "/checks/over/after",
    "/objectives/objective-007/burn-down", "/surface/versions", "/movers",
)  # fmt: skip
OTHERS = (
    f"{IMAGE}/graph.svg", f"{IMAGE}/graph.svg?package=package-0001", f"{IMAGE}/badge.svg",
    "/objectives/objective-007/badge.svg", "/checks/over/graph.svg", "/checks/over/logs/0",
    "/api", "/api/openapi.json",
)  # fmt: skip
# All images at once, which no page shows: they may take longer, and are only told.
WHOLE = ("/packages/package-0001?format=csv", "/?format=csv&table=movers")


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """Seeded for minutes, or the folder that MINIMIZE_FIVE_YEARS names."""
    if made := os.environ.get("MINIMIZE_FIVE_YEARS"):
        return Path(made)
    folder: Path = tmp_path_factory.mktemp("five")
    history = seed_five_years(folder)
    history.close()
    history.store.close()
    return folder


@pytest.fixture
async def server(data) -> AsyncIterator[TestServer]:
    from bot.store.history.history import open_history

    history = open_history(data)
    add_checks(history.store, data)
    add_opportunity(history.store)
    async with TestServer(application(history.store, history, data)) as served:
        yield served
    history.close()
    history.store.close()


def addresses() -> list[str]:
    dated = [f"{p}?date=20{22 + n % 4}-{1 + n:02d}-05" for n, p in enumerate(THEN)]
    asked = [address for page in (*PAGES, *dated) for address in (page, f"/api{page}")]
    return [*asked, *TABLES, *(f"{c}.{kind}" for c in CHARTS for kind in ("svg", "png")), *OTHERS]


# What no history makes slow.
BESIDES = ("/static/{name}", "/health/live", "/health/ready", "/metrics")


async def test_every_page_there_is_is_measured(server) -> None:
    asked = {address.partition("?")[0] for address in addresses()}
    for resource in server.app.router.resources():
        path = resource.canonical
        if path in BESIDES or not any(route.method == "GET" for route in resource):
            continue
        shape = re.compile(re.sub(r"\\{\w+\\}", "[^/]+", re.escape(path)))
        assert any(shape.fullmatch(address) for address in asked), path


async def test_every_page_is_there_within_200_ms(server) -> None:
    slow = []
    async with ClientSession() as session:
        base = str(server.make_url("/")).rstrip("/")

        async def ask(address: str) -> tuple[float, float, int]:
            start, used = time.perf_counter(), time.process_time()
            async with session.get(base + address) as answer:
                size = len(await answer.read())
                assert answer.status == 200, address
            return time.perf_counter() - start, time.process_time() - used, size

        await ask("/")  # the server has started, and got ready
        print(f"\n{'first ms':>9} {'its CPU':>9} {'again ms':>9} {'its CPU':>9} {'kB':>8}")
        for address in (*addresses(), *WHOLE):
            first, worked, size = await ask(address)
            again, work, _ = sorted([await ask(address) for _ in range(3)])[1]
            times = " ".join(f"{t * 1e3:9.0f}" for t in (first, worked, again, work))
            print(f"{times} {size / 1e3:8.1f}  {address}")
            if again > MOST and address not in WHOLE:
                slow.append(address)
    assert slow == []


@needs_chromium
@pytest.mark.parametrize(("width", "theme"), [(360, "dark"), (1600, "light")])
async def test_pages_of_five_years_are_accessible_and_fit(server, width, theme) -> None:
    base = str(server.make_url("/")).rstrip("/")
    asked = (*PAGES, *(f"{path}?date=2024-03-05" for path in THEN))
    pages = {f"{number:02d}": path for number, path in enumerate(asked)}
    async with browser() as chromium:
        await look_at(chromium, base, pages, theme, width, screenshots="five-years")
