"""Pages, JSON, health and metrics."""

from bot.model.result import CheckResult
from bot.model.result_json import check_to_json
from bot.store.records import CheckRecord, StepRecord

RESULT = check_to_json(
    CheckResult(
        base="b" * 40,
        head="a" * 40,
        merge_base="b" * 40,
        specs=("nginx.spec",),
        verdict="success",
        problems=("<i>odd</i>",),
    )
)


def add(bot, name: str = "gh-o-r-7-x", **fields) -> None:
    known = {"forge": "github", "repository": "o/r", "number": 7, "head_sha": "a" * 40}
    bot._store.add_check(CheckRecord(id=name, **{**known, **fields}))


async def test_health_says_whether_it_lives_and_whether_it_works(client, bot, monkeypatch) -> None:
    assert (await client.get("/health/live"))[:2] == (200, {"status": "ok"})
    status, answer, _ = await client.get("/health/ready")
    assert (status, answer["status"], answer["problems"]) == (200, "ok", [])
    assert answer["parts"]["The store"] == answer["parts"]["The engine's database"] == "ok"
    # Nobody listens there; that it is away for a moment is no problem.
    assert "cannot be reached" in answer["parts"]["The forge github"]
    bot._tasks[1].cancel()
    while not bot._tasks[1].done():
        await client.get("/health/live")
    status, answer, _ = await client.get("/health/ready")
    assert (status, answer["problems"]) == (503, ["The loop dispatcher has ended."])


async def test_metrics_count_webhooks_and_checks(client, bot, payload) -> None:
    await client.post(payload())
    await client.post(payload())
    await client.post(payload(), X_Hub_Signature_256="no")
    add(bot, open=True)
    text = (await client.get("/metrics"))[1]
    assert 'minimize_webhooks_total{forge="github",repeat="false",status="202"} 1.0' in text
    assert 'minimize_webhooks_total{forge="github",repeat="true",status="202"} 1.0' in text
    assert 'minimize_webhooks_total{forge="github",repeat="false",status="401"} 1.0' in text
    assert "minimize_open_checks 1.0" in text
    assert 'minimize_queued_runs{queue="checks"} 0.0' in text


async def test_checks_are_listed_newest_first_without_private_ones(client, bot) -> None:
    for number in range(3):
        add(bot, f"c{number}", created=f"2026-01-0{number + 1}T00:00:00.000000Z")
    add(bot, "secret", private=True, repository="o/secret")
    _, answer, _ = await client.get("/api/checks?limit=2")
    assert [c["id"] for c in answer["checks"]] == ["c2", "c1"]
    assert answer["next"] == 2
    assert (await client.get("/api/checks?offset=2"))[1]["next"] is None
    assert "secret" not in (await client.get("/checks"))[1]
    for path in ("/checks/secret", "/api/checks/secret"):
        assert (await client.get(path))[0] == 404
    assert (await client.get("/api/checks?limit=many"))[0] == 400


async def test_a_check_as_json_is_the_contracts_object(client, bot) -> None:
    add(bot, "open", base_sha="b" * 40)
    _, answer, _ = await client.get("/api/checks/open")
    assert (answer["verdict"], answer["images"], answer["run"]["stage"]) == (None, [], "waiting")
    add(bot, "over", stage="final", verdict="success", result=RESULT, open=False)
    answer = (await client.get("/api/checks/over"))[1]
    assert answer["verdict"] == "success"
    assert answer["specs"] == ["nginx.spec"]
    assert answer["run"]["id"] == "over"
    assert "private" not in answer["run"]


async def test_pages_escape_what_comes_from_outside(client, bot) -> None:
    hostile = "<script>alert(1)</script>"
    add(
        bot,
        "c1",
        title=hostile,
        author=hostile,
        base_ref=hostile,
        url="javascript:alert(1)",
        summary=hostile,
        problem=hostile,
        stage="final",
        verdict="success",
        result=RESULT,
        open=False,
    )
    for path in ("/", "/checks", "/checks/c1"):
        status, page, headers = await client.get(path)
        assert status == 200
        assert "<script" not in page
        assert 'href="javascript' not in page
        assert "default-src 'none'" in headers["Content-Security-Policy"]
    page = (await client.get("/checks/c1"))[1]
    assert "&lt;script&gt;" in page
    assert "<i>odd" not in page
    assert '<article class="check' in page


async def test_an_empty_bot_says_what_to_do(client) -> None:
    assert "Point a repository" in (await client.get("/"))[1]
    assert "There is no check here" in (await client.get("/checks"))[1]


async def test_a_checks_page_has_its_steps_with_durations_and_tries(client, bot) -> None:
    add(bot, open=False, stage="final", first_status="2026-11-28T10:00:01.500000Z")
    time = "2026-11-28T10:00:02.000000Z"
    problem = "The mirror <b> is away."
    bot._store.store_steps(
        "gh-o-r-7-x",
        [
            StepRecord(1, "check", "fetch", time, 1.25),
            StepRecord(2, "check", "predict", time, 1234.5, 3, "stop", problem),
        ],
    )
    _, found, _ = await client.get("/api/checks/gh-o-r-7-x")
    assert [step["name"] for step in found["steps"]] == ["fetch", "predict"]
    assert found["steps"][1]["tries"] == 3
    assert found["run"]["first_status"] == "2026-11-28T10:00:01.500000Z"
    page = (await client.get("/checks/gh-o-r-7-x"))[1]
    assert "The mirror &lt;b&gt; is away." in page
    assert "1,234.5" in page
    assert "First status on the forge" in page
    rows = (await client.get("/checks/gh-o-r-7-x?table=run_steps&format=csv"))[1]
    assert rows.splitlines()[2].startswith("predict,check,")
