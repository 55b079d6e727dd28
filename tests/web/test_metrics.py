"""The server's metrics: of its store, the engine and the forges; a worker's listener."""

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from bot.demo.run.setup import free_port
from bot.engine.desired import DesiredComment, DesiredStatus, DesiredStatuses, Phase
from bot.errors import SurroundingsError
from bot.forge.values import StatusReport
from bot.model.result import CheckResult
from bot.model.result_json import check_to_store
from bot.model.spec import BuildNote
from bot.store.records import CheckRecord, NewDelivery
from bot.store.store import Store, open_store
from bot.web.metrics import Metrics, start_metrics_listener


@pytest.fixture
def store(tmp_path):
    store = open_store(tmp_path)
    yield store
    store.close()


def values(metrics: Metrics) -> dict[tuple[str, ...], float]:
    """The samples by name and the values of their labels."""
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(metrics.text().decode())
        for sample in family.samples
    }


def checked(store: Store, **fields: object) -> CheckRecord:
    known = {"created": "2026-11-28T10:00:00.000000Z", "finished": "2026-11-28T10:00:40.000000Z"}
    store.add_check(CheckRecord("c", "gh", "o/r", 7, "a" * 40, **{**known, **fields}))
    record = store.check("c")
    assert record is not None
    return record


def test_the_first_status_and_comment_of_a_check_count_once(store: Store) -> None:
    metrics = Metrics()
    checked(store)
    status = DesiredStatus(7, "c", Phase.PREDICTING, StatusReport("c", "pending", "t"))
    for _ in range(2):
        metrics.settled(store, DesiredStatuses((status,)))
        metrics.settled(store, DesiredComment("m", "body", check="c", head_sha="a"))
        metrics.settled(store, DesiredComment("m", "an answer"))
    figures = values(metrics)
    assert figures["minimize_first_status_seconds_count",] == 1
    assert figures["minimize_first_comment_seconds_count",] == 1
    after = store.check("c")
    assert after is not None
    assert None not in (after.first_status, after.first_comment)


def test_builds_of_a_check_that_ended(store: Store) -> None:
    notes = (
        BuildNote("base", "a.spec", "x86_64", "cached", seconds=0.1),
        BuildNote("head", "a.spec", "x86_64", "built", seconds=25.0),
    )
    result = CheckResult(
        base="b", head="h", merge_base="b", specs=(), verdict="success", builds=notes
    )
    metrics = Metrics()
    metrics.observe("finished", checked(store, result=check_to_store(result), stage="final"))
    figures = values(metrics)
    assert figures["minimize_builds_total", "x86_64", "cached"] == 1
    assert figures["minimize_build_seconds_sum", "x86_64"] == 25.0
    assert figures["minimize_check_seconds_sum",] == 40.0


def test_the_age_of_a_delivery_that_waits(store: Store) -> None:
    metrics = Metrics()
    metrics.show_store(store)
    assert values(metrics)["minimize_delivery_age_seconds",] == 0
    store.add_deliveries([NewDelivery("gh", "push", "guid", b"{}")])
    with store.writing() as db:
        db.execute("update deliveries set received = '2026-01-01T00:00:00.000000Z'")
    metrics.show_store(store)
    assert values(metrics)["minimize_delivery_age_seconds",] > 86_400


async def test_a_worker_serves_its_own_metrics() -> None:
    port = free_port()
    runner = await start_metrics_listener("127.0.0.1", port)
    try:
        with pytest.raises(SurroundingsError, match="metrics cannot be served"):
            await start_metrics_listener("127.0.0.1", port)
        url = f"http://127.0.0.1:{port}/metrics"
        async with aiohttp.ClientSession() as session, session.get(url) as answer:
            text = await answer.text()
        assert "minimize_step_seconds" in text
        assert "process_resident_memory_bytes" in text
    finally:
        await runner.cleanup()
