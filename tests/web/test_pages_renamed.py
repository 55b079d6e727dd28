"""Addresses of an objective whose document was renamed."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp.test_utils import TestClient, TestServer

from bot.store.deliveries import GroupWriter
from bot.web.application import make_application
from bot.web.health import Health
from bot.web.metrics import Metrics
from tests.objectives.daily_history import SMALL, DailyHistory


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[TestClient]:
    """Three days, on the last of which the objective's document is called otherwise."""
    daily = DailyHistory(tmp_path / "data")
    daily.day("lib")
    daily.day("lib", "perl")
    daily.objectives = [replace(SMALL, id="web-tiny")]
    daily.day("lib", "perl")
    store = daily.history.store
    application = make_application(
        forges={}, writer=GroupWriter(store), store=store, history=daily.history, logs=tmp_path,
        metrics=Metrics(), health=Health(store, tmp_path), engine=None, webhook_bytes=1000,
    )  # fmt: skip
    async with TestClient(TestServer(application)) as client:
        yield client
    daily.close()


@pytest.mark.parametrize("name", ["web-small", "web-tiny"])
async def test_both_lead_to_the_objective_with_all_of_its_past(site: TestClient, name: str) -> None:
    # All time: its days are of November 2026, however late the test runs.
    answer = await site.get(f"/api/objectives/{name}?window=all")
    assert answer.status == 200
    document = await answer.json()
    assert (document["id"], [s["value"] for s in document["history"]]) == ("web-tiny", [2, 3])
    then = await (await site.get(f"/api/objectives/{name}?date=2026-11-02")).json()
    assert [s["value"] for s in then["history"]] == [2]
    for path in (f"/objectives/{name}", f"/objectives/{name}/badge.svg"):
        assert (await site.get(path)).status == 200, path
    badge = await (await site.get(f"/objectives/{name}/badge.svg")).text()
    assert "broken" in badge
