"""Every page in Chromium: both themes, three widths, axe-core, keyboard, no JavaScript, no host.

Skipped where there is no Chromium on this machine.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio

from tests.web.browsing import SEEN, UNSEEN, browser, look_at, needs_chromium, walk
from tests.web.sites import NGINX, PAGES, prepare, serving

pytestmark = [needs_chromium, pytest.mark.long, pytest.mark.asyncio(loop_scope="module")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return prepare(tmp_path_factory.mktemp("site"))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def base(folder):
    async with serving(folder) as server:
        yield str(server.make_url("/")).rstrip("/")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def started():
    async with browser() as made:
        yield made


@pytest_asyncio.fixture(loop_scope="module")
async def chromium(started):
    """The module's browser, without what other tests had in it."""
    yield started
    await started.close_contexts()


@pytest.mark.parametrize(
    ("width", "theme"),
    [*SEEN, *(pytest.param(*case, marks=pytest.mark.benchmark) for case in UNSEEN)],
)
async def test_pages_are_accessible_and_fit_and_ask_no_other_host(
    base, chromium, width, theme
) -> None:
    then = (datetime.now(UTC) - timedelta(days=9)).strftime("%Y-%m-%d")
    dated = {"surface-then": f"/surface?date={then}", "overview-then": f"/?date={then}"}
    await look_at(chromium, base, PAGES | dated, theme, width, screenshots="history")


async def test_every_control_of_every_page_is_reached_by_keyboard_alone(base, chromium) -> None:
    await walk(chromium, base, PAGES)


async def test_the_skip_link_leads_past_the_menu(base, chromium) -> None:
    page = await chromium.new_page()
    await page.goto(base + NGINX)
    await page.keyboard.press("Tab")
    assert await page.evaluate("document.activeElement.textContent") == "Skip to the content"
    await page.keyboard.press("Enter")
    await page.wait_for_url("**#*")
    await page.keyboard.press("Tab")
    assert await page.evaluate("document.querySelector('main').contains(document.activeElement)")


# Where a chart's figures stand as text.
TABLES = {
    "movers": "movers", "size": "history", "packages": "history", "treemap": "packages",
    "icicle": "packages",
    "architectures": "architectures", "burn-down": "history", "versions": "versions",
    "before": "moved", "after": "moved",
}  # fmt: skip


async def test_every_chart_has_its_figures_in_a_table_of_its_page(base, chromium) -> None:
    page = await chromium.new_page()
    drawn = set()
    for path in PAGES.values():
        await page.goto(base + path)
        for chart in await page.locator("figure object.wide").all():
            name = (await chart.get_attribute("data") or "").split(".svg")[0].split("/")[-1]
            drawn.add(name)
            assert await page.locator(f"#table-{TABLES[name]} tbody tr").count() > 0
            assert await chart.get_attribute("aria-label")
    assert drawn == set(TABLES)


@pytest.mark.parametrize("width", [360, 768])
async def test_no_table_of_a_page_is_wider_than_the_screen(base, chromium, width) -> None:
    page = await chromium.new_page(viewport={"width": width, "height": 900})
    wider = "e => e.scrollWidth > e.clientWidth + 1"
    for name, path in PAGES.items():
        await page.goto(base + path)
        # Folded ones too.
        await page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
        found = [t for t in await page.locator("[id^=table-]").all() if await t.evaluate(wider)]
        assert [await table.get_attribute("id") for table in found] == [], name


async def test_each_cell_has_its_title_beside_it_on_a_phone(base, chromium) -> None:
    page = await chromium.new_page(viewport={"width": 360, "height": 900})
    await page.goto(f"{base}/objectives")
    row = page.locator("#table-objectives tbody tr").first
    title = "e => getComputedStyle(e, '::before').content"
    titles = [await cell.evaluate(title) for cell in await row.locator("td:visible").all()]
    assert [title.strip('" ') for title in titles] == [
        "Image", "Metric", "State", "Value", "Limit", "Target",
    ]  # fmt: skip


async def test_without_javascript_nothing_is_missing(base, chromium) -> None:
    plain = await chromium.new_context(java_script_enabled=False)
    usual = await chromium.new_context()
    for path in PAGES.values():
        texts = []
        for context in (plain, usual):
            page = await context.new_page()
            await page.goto(base + path)
            text = await page.locator("main").inner_text()
            # A minute may pass between the two.
            texts.append(re.sub(r"\b\d+ \w+ ago\b", "some time ago", text))
            await page.close()
        assert texts[0] == texts[1]
    page = await plain.new_page()
    await page.goto(base + NGINX)
    # A form asks, a fold opens, a drawing is drawn: by the browser itself.
    await page.fill("input[name=package]", "zlib")
    await page.click("text=Highlight")
    await page.wait_for_url("**package=zlib**")
    assert "nginx-core" in await page.locator("#closure ~ ol").first.inner_text()
    await page.goto(base + NGINX)
    await page.click("summary >> nth=0")
    assert await page.locator("#table-causes").is_visible()
    drawn = next(frame for frame in page.frames if frame.url.endswith("/size.svg"))
    assert await drawn.locator("path.line").count() > 0
    await plain.close()
    await usual.close()


async def test_charts_have_tooltips_and_links_without_a_script(base, chromium) -> None:
    page = await chromium.new_page()
    broken: list[str] = []
    page.on(
        "console", lambda message: broken.append(message.text) if message.type == "error" else None
    )
    await page.goto(base + NGINX, wait_until="load")
    chart = next(frame for frame in page.frames if frame.url.endswith("/size.svg"))
    step = chart.locator("a", has=chart.locator(".dot")).first
    assert "the distribution" in (await step.locator("title").text_content() or "")
    assert await step.get_attribute("target") == "_top"
    await step.locator(".dot").click()
    await page.wait_for_url("**/packages/**")
    assert broken == []


async def test_charts_are_drawn_in_our_font_so_that_their_words_fit(base, chromium) -> None:
    page = await chromium.new_page()
    await page.goto(base + NGINX, wait_until="load")
    chart = next(frame for frame in page.frames if frame.url.endswith("/size.svg"))
    loaded = "document.fonts.ready.then(() => [...document.fonts].map(f => f.family + f.status))"
    assert await chart.evaluate(loaded) == ["Robotoloaded"]
    widths = """[...document.querySelectorAll('.labels text')].map(text => {
        const meant = text.textLength.baseVal.value;
        text.removeAttribute('textLength');
        return text.getComputedTextLength() / meant; })"""
    measured = await chart.evaluate(widths)
    assert measured
    assert all(0.97 < ratio < 1.03 for ratio in measured)


async def test_no_page_and_no_drawing_breaks_its_own_policy(base, chromium) -> None:
    page = await chromium.new_page()
    broken: list[str] = []
    page.on(
        "console", lambda message: broken.append(message.text) if message.type == "error" else None
    )
    for name, path in PAGES.items():
        if name != "error":
            await page.goto(base + path, wait_until="load")
    assert broken == []
    await page.goto(f"{base}/movers.svg")
    bar = page.locator("rect.bar").first
    assert await bar.evaluate("e => getComputedStyle(e).fill") == "rgb(168, 72, 12)"


async def test_what_comes_from_outside_never_runs(base, chromium) -> None:
    page = await chromium.new_page()
    ran: list[str] = []
    page.on("dialog", lambda dialog: ran.append(dialog.message))
    for path in (*PAGES.values(), "/checks/over/logs/0", f"{NGINX}/size.svg", "/movers.svg"):
        await page.goto(base + path)
        assert await page.locator("b", has_text="&").count() == 0
    assert ran == []
