"""The error pages of people and the error objects of programs."""

import pytest

from bot.errors import SurroundingsError

SECRET = "/home/bot/secret.sqlite"


async def test_what_is_not_there_is_a_page_with_a_way_back(client) -> None:
    status, page, headers = await client.get("/nowhere/<b>")
    assert (status, headers["Content-Type"]) == (404, "text/html; charset=utf-8")
    assert headers["Server"] == "minimize"
    assert "<h1>Not found</h1>" in page
    assert "404: Not Found" not in page
    assert "<b>" not in page
    assert all(f'href="{place}"' in page for place in ("/", "/images", "/packages"))
    assert '<link rel="stylesheet" href="/static/minimize.' in page


async def test_malformed_parameters_link_to_the_page_without_them(client) -> None:
    status, page, _ = await client.get("/surface?date=tomorrow")
    assert status == 400
    assert "date is not a date: write 2027-03-01" in page
    assert '<a href="/surface">' in page
    status, answer, _ = await client.get("/api/surface?date=tomorrow")
    assert (status, set(answer)) == (400, {"error"})


async def test_errors_under_api_are_json(client) -> None:
    status, answer, _ = await client.get("/api/nowhere")
    assert (status, answer) == (404, {"error": "Nothing has this address."})


async def test_a_method_that_does_nothing_is_refused_with_those_that_do(client) -> None:
    async with client._session.post(f"{client.url}/images") as answer:
        assert (answer.status, answer.headers["Allow"]) == (405, "GET,HEAD")
        assert "POST does nothing at this address." in await answer.text()


@pytest.mark.parametrize(
    ("error", "status", "title"),
    [
        (ValueError(SECRET), 500, "Internal error"),
        (SurroundingsError(f"{SECRET} is locked."), 503, "Temporarily not available"),
    ],
)
async def test_what_fails_inside_stays_in_the_log(
    client, bot, caplog, monkeypatch, error, status, title
) -> None:
    def fail(*_values, **_names):
        raise error

    monkeypatch.setattr(type(bot._history), "spread", fail)
    found_status, page, headers = await client.get("/surface")
    assert (found_status, headers["Cache-Control"]) == (status, "no-store")
    assert title in page
    found_status, answer, _ = await client.get("/api/surface")
    assert (found_status, set(answer)) == (status, {"error"})
    assert SECRET not in page + answer["error"]
    assert SECRET in caplog.text
