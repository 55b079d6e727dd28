"""Every page in Chromium: both themes, three widths, axe-core, nothing asked of other hosts.

Screenshots are kept where MINIMIZE_SCREENSHOTS says, else in pytest's folder. Skipped where there
is no Chromium on this machine: none is downloaded.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from urllib.parse import quote

import pytest
from aiohttp.test_utils import TestServer
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import async_playwright

from bot.store.history import open_history
from bot.web import Health, Intake, make_application
from bot.web.metrics import Metrics
from tests.web.seeded import ODD, seed

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
NGINX = "/images/reference/minimal/nginx/x86_64"
PAGES = {
    "overview": "/",
    "images": "/images",
    "image": f"{NGINX}?package=zlib",
    "unsolvable": f"/images/reference/minimal/{quote(ODD, safe='')}/s390x",
    "compare": f"{NGINX}/compare?with=s390x",
    "objectives": "/objectives",
    "objective": "/objectives/nginx-stays-small",
    "packages": "/packages",
    "package": "/packages/glibc",
    "surface": "/surface",
    "checks": "/checks",
    "error": "/nowhere",
}
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")


@pytest.fixture
async def server(tmp_path):
    history = open_history(tmp_path / "data")
    seed(history, days=30)
    store = history.store
    application = make_application(
        forges={}, intake=Intake(store), store=store, history=history, logs=tmp_path,
        metrics=Metrics(), health=Health(store, tmp_path), engine=None, webhook_bytes=1000,
    )  # fmt: skip
    async with TestServer(application) as served:
        yield served
    history.close()
    store.close()


@pytest.fixture
async def chromium():
    arguments = ["--no-sandbox", "--disable-gpu", "--disable-quic"]
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser
        await browser.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 900, 1600])
async def test_pages_are_accessible_and_fit(server, chromium, tmp_path, theme, width) -> None:
    kept = Path(os.environ.get("MINIMIZE_SCREENSHOTS", tmp_path / "screenshots"))
    kept.mkdir(parents=True, exist_ok=True)
    # axe-core is put into the page, which the pages' own policy forbids.
    context = await chromium.new_context(
        color_scheme=theme, viewport={"width": width, "height": 900}, bypass_csp=True
    )
    page = await context.new_page()
    asked: set[str] = set()
    page.on("request", lambda request: asked.add(request.url))
    for name, path in PAGES.items():
        await page.goto(str(server.make_url("/")).rstrip("/") + path)
        found = await Axe().run(page, options={"iframes": False})
        assert found.violations_count == 0, f"{name}: {found.generate_report()}"
        wider = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
        assert await page.evaluate(wider) <= 0, name
        await page.screenshot(path=kept / f"{name}-{theme}-{width}.png", full_page=True)
    assert {url for url in asked if not url.startswith(str(server.make_url("/")))} == set()
    await context.close()


async def test_charts_have_tooltips_and_links_and_the_keyboard_is_enough(server, chromium) -> None:
    page = await chromium.new_page()
    broken: list[str] = []
    page.on("console", lambda said: broken.append(said.text) if said.type == "error" else None)
    base = str(server.make_url("/")).rstrip("/")
    await page.goto(base + NGINX, wait_until="load")
    chart = next(frame for frame in page.frames if "/size.svg" in frame.url)
    await chart.wait_for_selector(".tooltip", state="attached")
    step = (await chart.query_selector_all("a .dot"))[0]
    await step.hover(force=True)
    await chart.wait_for_function(
        "document.querySelector('.tooltip').textContent.includes('changed')"
    )
    assert broken == []
    await page.goto(base)
    await page.keyboard.press("Tab")
    assert await page.evaluate("document.activeElement.textContent") == "Skip to the content"
    await page.keyboard.press("Enter")
    await page.keyboard.press("Tab")
    assert await page.evaluate("document.querySelector('main').contains(document.activeElement)")
    assert await page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
