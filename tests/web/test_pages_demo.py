"""The pages of `minimize demo`, with what it leaves there: real packages, a check with its logs.

The demo as a process, as people run it with --keep; its pages in Chromium, as those of the history.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import ClientSession

from tests.web.browsing import SEEN, UNSEEN, Chromium, browser, look_at, needs_chromium, walk

MINIMIZE = Path(sys.executable).with_name("minimize")
IMAGE = "/images/reference/minimal/nginx/x86_64"
# With nothing in the cache it makes its buildroot, and builds twice.
READY_SECONDS = 600
STOP_SECONDS = 120
pytestmark = [
    needs_chromium, pytest.mark.reference, pytest.mark.long,
    pytest.mark.timeout(1200),  # real builds, on a machine that may be busy with others
]  # fmt: skip


@contextlib.asynccontextmanager
async def demo() -> AsyncIterator[str]:
    """The address of the demo's bot, once all has happened."""
    process = await asyncio.create_subprocess_exec(
        MINIMIZE, "demo", "--keep", stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    try:
        async with asyncio.timeout(READY_SECONDS):
            base = await _told(process)
        yield base
    finally:
        with contextlib.suppress(ProcessLookupError):
            # Not SIGINT: what is started in the background of a shell script ignores it.
            process.terminate()
        async with asyncio.timeout(STOP_SECONDS):
            await process.wait()


async def _told(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    output = []
    async for line in process.stdout:
        output.append(line.decode())
        if found := re.match(r"The bot: +(http\S+)/$", output[-1].strip()):
            return found[1]
    raise AssertionError("".join(output))


async def pages(base: str) -> dict[str, str]:
    """Every kind of page, with the demo's own names."""
    async with ClientSession(base) as session:
        async with session.get("/api/checks") as answer:
            check = (await answer.json())["checks"][0]["id"]
        async with session.get("/api/objectives") as answer:
            objective = (await answer.json())["objectives"][0]["id"]
    return {
        "overview": "/",
        "images": "/images",
        "image": IMAGE,
        "image-highlighted": f"{IMAGE}?package=libxml2",
        "compare": f"{IMAGE}/compare?with=s390x",
        "architectures": f"{IMAGE}/architectures",
        "objectives": "/objectives",
        "objective": f"/objectives/{objective}",
        "packages": "/packages",
        "package": "/packages/libxml2",
        "surface": "/surface",
        "checks": "/checks",
        "check": f"/checks/{check}",
        "error": "/nowhere",
    }


@pytest.mark.parametrize("looks", [SEEN, pytest.param(UNSEEN, marks=pytest.mark.benchmark)])
async def test_the_demos_pages_are_accessible_and_fit_in_both_themes_and_three_widths(
    reference, looks
) -> None:
    async with demo() as base, browser() as chromium:
        shown = await pages(base)
        for width, theme in looks:
            await look_at(chromium, base, shown, theme, width, screenshots="demo")
        await walk(chromium, base, shown)
        await merged_pull_request(chromium, base)


async def merged_pull_request(chromium: Chromium, base: str) -> None:
    """Holds the image's page to saying what moved it, and to leading to the pull request."""
    page = await chromium.new_page()
    await page.goto(base + IMAGE)
    steps = page.locator("#table-steps tbody tr")
    assert await steps.count() == 1
    assert "pull request rpms/nginx#1" in await steps.inner_text()
    link = steps.locator("a", has_text="rpms/nginx#1")
    assert (await link.get_attribute("href") or "").endswith("/rpms/nginx/pull/1")
    chart = next(frame for frame in page.frames if "/size.svg" in frame.url)
    # Where the step has little room its label is cut short; its title is not.
    named = chart.locator("a", has=chart.locator("text.label"))
    assert "rpms/nginx#1" in (await named.text_content() or "")
    await page.close()
