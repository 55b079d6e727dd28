"""Every page, its JSON, its tables and its pictures at five years of 2,000 images, over HTTP.

Each is asked as nobody asked before, then again. Prints the table; the CPU's time, of server and
client, tells how much of it was waiting for others on the machine. And the pages in
Chromium, with axe-core, on the same data.

./deploy/test --benchmarks tests/benchmarks/test_page_speed.py
"""

from __future__ import annotations

import os
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import ClientSession
from aiohttp.test_utils import TestServer
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import async_playwright

from tests.benchmarks.five_years import seed_five_years
from tests.web.sites import SCREENSHOTS, application
from tests.web.test_pages_chromium import CHROMIUM, WIDER

pytestmark = pytest.mark.benchmark
MOST = 0.2
IMAGE = "/images/big/minimal/workload-007/x86_64"
PAGES = (
    "/", "/images", IMAGE, f"{IMAGE}?package=package-0001", f"{IMAGE}?window=all",
    f"{IMAGE}/compare?from=2023-05-05", f"{IMAGE}/compare?with=s390x", "/objectives",
    "/objectives/objective-007", "/packages", "/packages/package-0001", "/surface", "/checks",
)  # fmt: skip
THEN = (
    "/", "/images", IMAGE, "/objectives", "/objectives/objective-007", "/packages",
    "/packages/package-0001", "/surface",
)  # fmt: skip
TABLES = (
    "/images?format=csv", f"{IMAGE}?format=csv", f"{IMAGE}?format=csv&table=causes",
    "/objectives?format=csv", "/objectives/objective-007?format=csv&table=history",
    "/packages?format=csv", "/packages/package-0001?format=csv&limit=25", "/surface?format=csv",
    "/?format=csv&table=attention",
)  # fmt: skip
CHARTS = (
    f"{IMAGE}/size", f"{IMAGE}/packages", f"{IMAGE}/treemap", f"{IMAGE}/architectures",
    "/objectives/objective-007/burn-down", "/surface/versions", "/movers",
)  # fmt: skip
OTHERS = (
    f"{IMAGE}/graph.svg", f"{IMAGE}/graph.svg?package=package-0001", f"{IMAGE}/badge.svg",
    "/objectives/objective-007/badge.svg", "/api/openapi.json",
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
    from bot.store.history import open_history

    history = open_history(data)
    async with TestServer(application(history.store, history, data)) as served:
        yield served
    history.close()
    history.store.close()


def addresses() -> list[str]:
    dated = [f"{p}?date=20{22 + n % 4}-0{1 + n}-05" for n, p in enumerate(THEN)]
    asked = [address for page in (*PAGES, *dated) for address in (page, f"/api{page}")]
    return [*asked, *TABLES, *(f"{c}.{kind}" for c in CHARTS for kind in ("svg", "png")), *OTHERS]


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
            again, work, _ = min([await ask(address) for _ in range(3)])
            times = " ".join(f"{t * 1e3:9.0f}" for t in (first, worked, again, work))
            print(f"{times} {size / 1e3:8.1f}  {address}")
            if again > MOST and address not in WHOLE:
                slow.append(address)
    assert slow == []


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
@pytest.mark.parametrize(("width", "theme"), [(360, "dark"), (1600, "light")])
async def test_pages_of_five_years_are_accessible_and_fit(server, width, theme) -> None:
    kept = SCREENSHOTS / "five-years"
    kept.mkdir(parents=True, exist_ok=True)
    base = str(server.make_url("/")).rstrip("/")
    asked: set[str] = set()
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu", "--disable-quic"]
        )
        context = await browser.new_context(
            color_scheme=theme, viewport={"width": width, "height": 900}, bypass_csp=True
        )
        page = await context.new_page()
        page.on("request", lambda request: asked.add(request.url))
        for number, path in enumerate((*PAGES, *(f"{p}?date=2024-03-05" for p in THEN))):
            await page.goto(base + path)
            found = await Axe().run(page, options={"iframes": False})
            assert found.violations_count == 0, f"{path}: {found.generate_report()}"
            assert await page.evaluate(WIDER) <= 0, path
            await page.screenshot(path=kept / f"{number:02d}-{theme}-{width}.png", full_page=True)
        await browser.close()
    assert {url for url in asked if not url.startswith(f"{base}/")} == set()
