"""The values that go through the engine: their JSON, their sizes, and older releases' values."""

import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest
from dbos import DBOS, DBOSClient, PortableWorkflowError, WorkflowSerializationFormat
from hypothesis import given
from hypothesis import strategies as st

from bot.build.external import ExternalPlace
from bot.build.service_builds import BuildLinks
from bot.check.external import ExternalPlan
from bot.engine import values
from bot.engine.inspection import newest_runs, open_runs
from bot.engine.job import CheckJob, Line, Reply
from bot.engine.results import (
    Results,
    SharedResults,
    older_arguments,
    older_job,
    older_progress,
    open_results,
)
from bot.engine.takeover import CHECKS, LongKnown
from bot.engine.values import (
    BaseFile,
    Outcome,
    Predicted,
    Progress,
    StoredResult,
    ValueSerializer,
)
from bot.engine.workflows import part_id
from bot.errors import UsageError
from bot.model.result import Acceptance
from bot.model.result_json import check_to_json
from bot.store.records import CheckRecord
from bot.store.store import open_store
from bot.store.transactions import StoreError
from tests.engine.conftest import result_of, settings_in

JOB = CheckJob("c", "gh", "o/r", 7, "main", "b" * 40, "a" * 40, "ann")
OLDER_JOB = {
    "id": "c",
    "forge": "gh",
    "repository": "o/r",
    "number": 7,
    "base_ref": "main",
    "base_sha": "b" * 40,
    "head_sha": "a" * 40,
    "author": "ann",
    "private": False,
    "documents": ["d"],
    "allowed": "",
    "acceptance": {"user": "maria", "reason": "needed", "time": "2027-01-01T00:00:00Z"},
    "workloads": [],
    "arches": [],
    "answers": "",
    "tracked": False,
}


def back(value: Any) -> Any:
    serializer = ValueSerializer()
    return serializer.deserialize(serializer.serialize(value))


@pytest.mark.parametrize(
    "value",
    [
        replace(JOB, documents=("d",), acceptance=Acceptance("u", "r", "t"), tracked=True),
        replace(JOB, links=BuildLinks(("https://k/1",), ("https://k/2",))),
        Reply("41", "u", "url", "<!-- m -->", True, (Line("/minimize why"), Line("x", "no"))),
        Outcome(
            "ok",
            Predicted(
                StoredResult("r", "failure", "title", "*summary*"),
                1.5,
                external=ExternalPlan("g", 60.0, (ExternalPlace("d", "x", "u", ("nginx",)),)),
                file=BaseFile(None),
            ),
        ),
        Outcome("again", what="w", hint="h", wait=3.0),
        Outcome("ok", "text"),
        Progress("final", comment=("1", "u"), done=True),
        {"args": (JOB, "title"), "kwargs": {}},
    ],
    ids=lambda value: type(value).__name__,
)
def test_values_come_back_as_they_were(value: Any) -> None:
    value_back = back(value)
    expected = {**value, "args": list(value["args"])} if isinstance(value, dict) else value
    assert value_back == expected
    assert type(value_back) is type(value)


@given(st.builds(Progress, done=st.booleans()), st.builds(Outcome, value=st.none() | st.text()))
def test_generated_values_come_back_as_they_were(progress: Progress, outcome: Any) -> None:
    assert back([progress, outcome]) == [progress, outcome]


def test_an_error_comes_back_with_its_name_and_message() -> None:
    value_back = back(ValueError("broken"))
    assert isinstance(value_back, PortableWorkflowError)
    assert (value_back.name, value_back.message) == ("ValueError", "broken")


def test_a_value_of_another_type_is_refused() -> None:
    with pytest.raises(TypeError, match="Results does not go through the engine"):
        ValueSerializer().serialize({"value": Results.__new__(Results)})


def test_a_value_of_a_newer_release_is_named() -> None:
    with pytest.raises(ValueError, match="Sketch is none of the engine's values"):
        ValueSerializer().deserialize('{"@type":"Sketch","lines":3}')


def test_fields_that_are_defaults_are_left_out() -> None:
    assert json.loads(ValueSerializer().serialize(Progress(done=True))) == {
        "@type": "Progress",
        "done": True,
    }


def test_a_later_workflow_keeps_what_the_first_found_but_its_problem() -> None:
    first = Progress("predicted", "success", problem="no comment", predicted=1.0)
    later = Progress("final", "failure", done=True)
    assert first.then(later) == Progress("final", "failure", predicted=1.0, done=True)
    assert first.then(Progress()) == first


async def test_a_run_writes_its_result_twice_and_sends_an_id_through_the_engine(
    bot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One result is the prediction, one the rebuild; each is written once and read as needed."""
    written: list[str] = []
    read: list[str] = []
    through: list[str] = []
    add, get = bot.store.add_result, bot.store.result
    serialize = values.ValueSerializer.serialize

    def adding(check: str, body: str) -> str:
        written.append(json.loads(body)["stage"])
        return add(check, body)

    def getting(result_id: str) -> str | None:
        read.append(result_id)
        return get(result_id)

    def serializing(self: ValueSerializer, data: Any) -> str:
        through.append(serialize(self, data))
        return through[-1]

    monkeypatch.setattr(bot.store, "add_result", adding)
    monkeypatch.setattr(bot.store, "result", getting)
    monkeypatch.setattr(values.ValueSerializer, "serialize", serializing)
    bot.push({"nginx/nginx.spec": "Name: nginx\nRequires: perl\n"})
    await bot.deliver()
    await bot.settled()
    assert bot.checks()[0].stage == "final"
    assert written == ["predicted", "final"]
    # The two comments, the status with its annotations, and the collector at the end.
    assert len(read) == 4
    assert len(through) == 18
    assert not any("nginx.spec" in text or "closure" in text for text in through)
    assert sum(map(len, through)) < 4000


def test_an_older_runs_arguments_become_todays(tmp_path) -> None:
    store = open_store(tmp_path)
    results = Results(store)
    job = older_job(OLDER_JOB)
    assert job == replace(
        JOB, documents=("d",), acceptance=Acceptance("maria", "needed", "2027-01-01T00:00:00Z")
    )
    assert older_arguments("withdraw", (OLDER_JOB, "t", "s"), results) == (job, ("t", "s"))
    reply = {
        "comment": "41",
        "user": "u",
        "url": "l",
        "marker": "m",
        "react": True,
        "job": OLDER_JOB,
        "lines": [{"text": "/minimize help", "said": "no"}],
    }
    lines = (Line("/minimize help", "no"),)
    expected = Reply("41", "u", "l", "m", True, lines)
    assert older_arguments("reply", (reply,), results) == (job, (expected,))
    result = result_of(JOB, "final", True)
    found = {"result": check_to_json(result), "verdict": "success", "title": "t", "summary": "s"}
    _, (stored, with_status) = older_arguments("publish", (OLDER_JOB, found), results)
    assert with_status
    assert results.get(stored.id) == result
    progress = {"stage": "final", "result": found["result"], "problem": None, "done": True}
    progress |= {"comment": {"id": "1", "url": "u"}, "file": {"content": "x"}, "predicted": 1.0}
    assert older_progress(progress, "c", results) == Progress(
        "final",
        result=stored.id,
        comment=("1", "u"),
        file=BaseFile("x"),
        predicted=1.0,
        done=True,
    )
    store.close()


@pytest.mark.parametrize("claimed", ["no", "yes", "by another"])
async def test_a_run_of_an_older_release_begins_again_and_ends(stopped_bot, claimed: str) -> None:
    """Its values are plain objects, and DBOS itself never starts a run of another version."""
    bot = stopped_bot
    DBOS.migrate(bot.engine._url)
    head = bot.push({"nginx/nginx.spec": "Name: nginx\nRequires: perl\n"})
    raw = OLDER_JOB | {"head_sha": head, "base_sha": bot.repository.base, "acceptance": None}
    client = DBOSClient(system_database_url=bot.engine._url)
    for name, run, args in (
        ("check", "c", (raw,)),
        ("finish", part_id("c", "final"), (raw, {"result": {}})),
        ("withdraw", "other-withdraw", (raw | {"id": "other"}, "Superseded", "A newer one.")),
    ):
        client.enqueue(
            {
                "workflow_name": name,
                "workflow_id": run,
                "queue_name": CHECKS,
                "app_version": "1",
                "serialization_type": WorkflowSerializationFormat.PORTABLE,
            },
            *args,
        )
    client.destroy()
    with open_runs(bot.settings.engine_database()) as runs:
        assert {(one.repository, one.number) for one in newest_runs(runs, 9)} == {("o/r", 7)}
    if claimed != "no":
        executor = "tester" if claimed == "yes" else "another"
        with closing(sqlite3.connect(bot.settings.engine_database())) as database, database:
            database.execute(
                "update workflow_status set status='PENDING', executor_id=?", [executor]
            )
    await bot.engine.launch()
    bot.store.add_check(_record(bot, head))
    if claimed == "by another":
        assert (await bot.engine.running(["c"]))["c"].status == "PENDING"
        bot.engine._leases.lease = 0.0
        bot.engine.recovery.orphans = LongKnown(0.0)
        assert await bot.engine.recovery.take_over() == ["another"]
    await bot.settled()
    assert bot.store.check("c").stage == "final"
    assert bot.checker.calls == [("predict", head), ("finish", head)]
    assert bot.forge.states(head)[-1] == "success"
    assert await DBOS.list_workflows_async(app_version="1") == []


async def test_a_run_that_waits_when_the_version_changes_begins_again(bot_of) -> None:
    bot = bot_of(predictions=0, application_version="one")
    await bot.engine.launch()
    head = bot.push({"nginx/nginx.spec": "Name: nginx\nRequires: perl\n"})
    await bot.deliver()
    await bot.engine.stop()
    bot.settings = settings_in(bot.settings.data, {"application_version": "two"})
    bot.make()
    await bot.engine.launch()
    await bot.settled()
    assert bot.checks()[0].stage == "final"
    assert bot.checker.calls == [("predict", head), ("finish", head)]
    assert await DBOS.list_workflows_async(app_version="2-one") == []


def _record(bot, head: str) -> Any:
    return CheckRecord("c", "gh", "o/r", 7, head, base_ref="main", base_sha=bot.repository.base)


async def test_a_worker_closes_the_store_that_it_opened_and_no_server_s(stopped_bot) -> None:
    lent, own = (
        open_results(stopped_bot.settings, stopped_bot.store),
        open_results(stopped_bot.settings),
    )
    lent.close()
    with pytest.raises(UsageError, match="not stored any more"):
        lent.get("none")
    stopped_bot.engine.results = own
    await stopped_bot.engine.stop()
    with pytest.raises(StoreError):
        own.get("none")


def test_results_of_workers_are_brought_to_the_store_once(tmp_path) -> None:
    table = SharedResults(f"sqlite:///{tmp_path / 'engine.sqlite'}")
    shared, store = Results(table), open_store(tmp_path)
    result = result_of(JOB, "final", True)
    stored = shared.add("c", result)
    assert shared.add("c", result) == stored
    assert shared.get(stored.id) == result
    for _ in range(2):
        shared.bring(store, "c", stored.id)
    assert [row["id"] for row in store.rows("select id from results")] == [stored.id]
    assert Results(store).get(stored.id) == result
    shared.forget("2999-01-01")
    with pytest.raises(UsageError, match="not stored any more"):
        shared.get(stored.id)
    table._engine.dispose()
    store.close()
