"""Caching by browsers, and of the bytes that packages retain over all images."""

import hashlib
import re
from collections.abc import Iterator

import pytest

from bot.store.history.history import History, open_history
from bot.web.responses import archive as module
from bot.web.responses.archive import Archive, retained_of_images
from tests.web.seeded import seed

LASTING = re.compile(r"/static/minimize\.[0-9a-f]{12}\.css")


async def test_files_of_pages_are_kept_for_good_under_a_name_of_their_content(client) -> None:
    page = (await client.get("/"))[1]
    (address,) = set(LASTING.findall(page))
    status, style, headers = await client.get(address)
    assert (status, headers["Cache-Control"]) == (200, "public, max-age=31536000, immutable")
    assert headers["Content-Type"].startswith("text/css")
    assert (await client.get("/static/minimize.css"))[1] == style
    assert (await client.get("/static/minimize.css"))[2]["Cache-Control"] == "no-cache"
    for other in ("minimize.000000000000.css", "..%2fapplication.py", "none.css"):
        assert (await client.get(f"/static/{other}"))[0] == 404


async def test_the_charts_font_is_the_same_bytes_under_the_same_name(client) -> None:
    chart = (await client.get("/surface/versions.svg"))[1]
    (address,) = set(re.findall(r"url\((/static/chart-font\.[0-9a-f]{12}\.woff)\)", chart))
    async with client._session.get(client.url + address) as answer:
        body = await answer.read()
        assert (answer.status, answer.content_type) == (200, "font/woff")
        assert "immutable" in answer.headers["Cache-Control"]
    assert body[:4] == b"wOFF"
    assert hashlib.sha256(body).hexdigest()[:12] in address


async def test_a_page_that_did_not_change_is_not_sent_again(client) -> None:
    for path in ("/checks", "/api/checks", "/api/openapi.json", "/surface/versions.svg"):
        _, _, headers = await client.get(path)
        assert headers["Cache-Control"] == "no-cache"
        tag = headers["ETag"]
        for known in (tag, f"W/{tag}", f'"other", {tag}'):
            async with client._session.get(
                client.url + path, headers={"If-None-Match": known}
            ) as answer:
                assert (answer.status, await answer.read()) == (304, b""), path
                assert answer.headers["ETag"] == tag
                assert "Content-Security-Policy" in answer.headers
        async with client._session.get(
            client.url + path, headers={"If-None-Match": '"other"'}
        ) as answer:
            assert answer.status == 200


async def test_what_is_true_for_a_moment_and_errors_are_not_kept(client) -> None:
    for path in ("/health/live", "/health/ready", "/metrics", "/nowhere", "/api/nowhere"):
        assert (await client.get(path))[2]["Cache-Control"] == "no-store", path


@pytest.fixture
def history(tmp_path) -> Iterator[History]:
    opened = open_history(tmp_path)
    seed(opened, days=5)
    yield opened
    opened.close()
    opened.store.close()


def test_many_images_are_computed_beside_the_pages_and_not_by_them(history, monkeypatch) -> None:
    monkeypatch.setattr(module, "_AT_ONCE", 3)
    archive = Archive(history.store, history)
    assert archive.retained() is None
    archive.warm()
    bytes_retained = archive.retained()
    assert bytes_retained is not None and bytes_retained["glibc"].images == 16


def test_only_images_whose_closure_changed_are_computed_again(history, monkeypatch) -> None:
    every = history.latest_evaluations()
    first = retained_of_images(history, every, {})
    assert set(first) == set(every)
    read = []
    contents = history.contents
    monkeypatch.setattr(history, "contents", lambda key: read.append(key) or contents(key))
    moved = next(iter(first))
    known = {key: one for key, one in first.items() if key != moved}
    assert retained_of_images(history, every, known) == first
    assert read == [moved]
