"""Checks of pages in the Chromium of this machine: axe-core, keyboard."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, BrowserContext, Page, async_playwright

from tests.web.sites import SCREENSHOTS

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
# None is downloaded.
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
THEMES = ("light", "dark")
WIDTHS = (360, 768, 1600)
# The suite looks at each width and each theme, `--benchmarks` at all of both.
SEEN = ((360, "dark"), (768, "light"), (1600, "dark"))
UNSEEN = tuple((w, t) for w in WIDTHS for t in THEMES if (w, t) not in SEEN)
WIDER = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
# The names of the charts that are not seen once.
CHARTS = """[...document.querySelectorAll('figure:has(object)')]
    .filter(f => f.checkVisibility()
      && [...f.querySelectorAll('object')].filter(o => o.checkVisibility()).length != 1)
    .map(f => f.textContent)"""
# Controls that can be reached: shown, and not taken out of the order. Charts are; their tables lead
# to the same places.
CONTROLS = """[...document.querySelectorAll('a[href], button, input, select, summary, [tabindex]')]
    .filter(e => e.tabIndex >= 0 && e.type !== 'hidden' && e.checkVisibility())"""
HERE = """(() => { const e = document.activeElement;
    const s = getComputedStyle(e), r = e.getBoundingClientRect();
    return { place: window.controls.indexOf(e), outline: s.outlineStyle, wide: s.outlineWidth,
      seen: r.width > 0 && r.height > 0 && r.right > 0 && r.bottom > 0 && r.top < innerHeight,
      what: e.outerHTML.slice(0, 120) }; })()"""


# Milliseconds for what a page does, on a machine that may be busy with others.
_PATIENCE = 180_000


class Chromium:
    """A running Chromium: its pages wait longer than the library has them wait, 30 s."""

    def __init__(self, started: Browser) -> None:
        self._started = started

    async def new_context(self, **options: Any) -> BrowserContext:
        """A context without what others have."""
        context = await self._started.new_context(**options)
        context.set_default_timeout(_PATIENCE)
        return context

    async def new_page(self, **options: Any) -> Page:
        """A page in a context of its own, which stays until `close_contexts`."""
        return await (await self.new_context(**options)).new_page()

    async def close_contexts(self) -> None:
        """Close all pages."""
        for context in self._started.contexts:
            await context.close()


@asynccontextmanager
async def browser() -> AsyncIterator[Chromium]:
    """A Chromium, for as long as it is needed."""
    arguments = ["--no-sandbox", "--disable-gpu", "--disable-quic"]
    async with async_playwright() as playwright:
        started = await playwright.chromium.launch(
            executable_path=CHROMIUM, args=arguments, timeout=_PATIENCE
        )
        yield Chromium(started)
        await started.close()


def watched(page: Page) -> set[str]:
    """The addresses that a page requests from now on; the set grows."""
    requested: set[str] = set()
    page.on("request", lambda request: requested.add(request.url))
    return requested


async def look_at(
    chromium: Chromium,
    base: str,
    pages: Mapping[str, str],
    theme: str,
    width: int,
    *,
    screenshots: str,
) -> None:
    """Check each page: axe-core, the screen's width, no request to another host.

    Write a screenshot of each to the folder `screenshots` of var/screenshots (or of
    MINIMIZE_SCREENSHOTS).
    """
    folder = Path(os.environ.get("MINIMIZE_SCREENSHOTS", SCREENSHOTS)) / screenshots
    folder.mkdir(parents=True, exist_ok=True)
    # axe-core is put into the page, which the pages' own policy forbids.
    context = await chromium.new_context(
        color_scheme=theme, viewport={"width": width, "height": 900}, bypass_csp=True
    )
    page = await context.new_page()
    requested = watched(page)
    for name, path in pages.items():
        await page.goto(base + path)
        await page.screenshot(path=folder / f"{name}-{theme}-{width}.png", full_page=True)
        process = await Axe().run(page, options={"iframes": False})
        assert process.violations_count == 0, f"{name}: {process.generate_report()}"
        assert await page.evaluate(WIDER) <= 0, name
        assert await page.evaluate(CHARTS) == [], name
    assert {url for url in requested if not url.startswith(f"{base}/")} == set()
    await context.close()


async def walk(chromium: Chromium, base: str, pages: Mapping[str, str]) -> None:
    """Check each page: Tab alone reaches every control, in order, with a visible focus."""
    page = await chromium.new_page()
    for name, path in pages.items():
        await page.goto(base + path)
        count = await page.evaluate(f"(window.controls = {CONTROLS}).length")
        reached: list[int] = []
        for _ in range(3 * count):
            await page.keyboard.press("Tab")
            here = await page.evaluate(HERE)
            if reached and here["place"] <= 0:
                break  # around, and at the beginning again
            # A date's field has stops of its own for day, month and year.
            if not reached or here["place"] != reached[-1]:
                reached.append(here["place"])
            assert here["seen"], (name, here)
            assert (here["outline"], here["wide"]) == ("solid", "3px"), (name, here)
        assert reached == list(range(count)), name
    await page.close()
