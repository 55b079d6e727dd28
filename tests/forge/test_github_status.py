"""What is refused on one commit touches that commit alone, and no commit has two statuses."""

from __future__ import annotations

from typing import Any

import pytest

from bot.forge.github.status import GitHubStatus
from bot.forge.values import ForgeError, ForgeRefusedError, PullRequestKey, StatusReport
from bot.report.annotations import Annotation

KEY = PullRequestKey("gh", "o/r", 7)
SHA, OTHER = "a" * 40, "b" * 40
NOT_OURS = (403, {}, {"message": "Resource not accessible by integration"})
NOTES = (Annotation("nginx.spec", 1, "t", "m"),)


class Runs:
    """The check runs and statuses of two commits; `refuse` has the answers that come first."""

    def __init__(self, tiny: Any) -> None:
        self.tiny = tiny
        self.runs: dict[int, dict[str, Any]] = {}
        self.refuse: dict[str, list[Any]] = {"POST": [], "PATCH": []}
        tiny.answer("POST", "/repos/o/r/check-runs", self.post)
        for sha in (SHA, OTHER):
            tiny.lists[f"/repos/o/r/commits/{sha}/check-runs"] = []
            tiny.lists[f"/repos/o/r/commits/{sha}/statuses"] = []
            tiny.answer("POST", f"/repos/o/r/statuses/{sha}", lambda b, s=sha: self.status(s, b))

    def post(self, body: Any) -> Any:
        if self.refuse["POST"]:
            return self.refuse["POST"].pop(0)
        number = len(self.runs) + 1
        run = self.runs[number] = {**body, "id": number}
        self.tiny.lists[f"/repos/o/r/commits/{body['head_sha']}/check-runs"].append(run)
        self.tiny.answer("PATCH", f"/repos/o/r/check-runs/{number}", lambda b: self.patch(run, b))
        return 201, {}, run

    def patch(self, run: dict[str, Any], body: Any) -> Any:
        if self.refuse["PATCH"]:
            return self.refuse["PATCH"].pop(0)
        run.update(body)
        return run

    def status(self, sha: str, body: Any) -> Any:
        made = {**body, "creator": {"login": "minimize-bot"}}
        self.tiny.lists[f"/repos/o/r/commits/{sha}/statuses"].insert(0, made)
        return 201, {}, made

    def of(self, sha: str) -> tuple[list[str], list[str]]:
        """How the check runs of a commit stand, and its commit statuses."""
        runs = [run["status"] for run in self.runs.values() if run["head_sha"] == sha]
        statuses = self.tiny.lists[f"/repos/o/r/commits/{sha}/statuses"]
        return runs, [status["state"] for status in statuses]


@pytest.fixture
def github(tiny: Any) -> Runs:
    return Runs(tiny)


@pytest.fixture
def anew(forge: Any):
    """Another process of ours each time it is called: nothing is remembered."""
    return lambda: GitHubStatus(forge._api, forge._own_login, "1", pause=0)


def pending(check: str = "c1") -> StatusReport:
    return StatusReport(check, "pending", "working")


def final(check: str = "c1", **more: Any) -> StatusReport:
    return StatusReport(check, "success", "fine", **more)


@pytest.mark.parametrize("code", [403, 404, 422])
async def test_a_check_run_refused_once_is_ended_all_the_same(github, anew, code) -> None:
    status = anew()
    for sha in (SHA, OTHER):
        await status.set(KEY, sha, pending(), fall_back=True)
    github.refuse["PATCH"] = [(code, {}, {"message": "Validation Failed"})]
    await status.set(KEY, SHA, final(annotations=NOTES), fall_back=True)
    # What annotations made impossible is said without them.
    assert "annotations" not in github.runs[1]["output"]
    await status.set(KEY, OTHER, final(annotations=NOTES), fall_back=True)
    assert len(github.runs[2]["output"]["annotations"]) == 1
    assert [github.of(SHA), github.of(OTHER)] == [(["completed"], []), (["completed"], [])]


@pytest.mark.parametrize("code", [403, 404, 422])
async def test_one_refused_for_good_gets_no_status_beside_it(github, anew, code) -> None:
    status = anew()
    await status.set(KEY, SHA, pending(), fall_back=True)
    # Not even where we may no longer make any.
    github.refuse["PATCH"] = [(code, {}, NOT_OURS[2])] * 2
    with pytest.raises(ForgeRefusedError, match="editing the check run 1"):
        await status.set(KEY, SHA, final(), fall_back=True)
    assert github.of(SHA) == (["in_progress"], [])
    # The next try, and the other commits, are asked as before.
    await status.set(KEY, SHA, final(), fall_back=True)
    await status.set(KEY, OTHER, final("c2"), fall_back=True)
    assert [github.of(SHA), github.of(OTHER)] == [(["completed"], []), (["completed"], [])]


async def test_a_second_check_of_a_commit_with_a_check_run_falls_back_to_nothing(
    github, anew
) -> None:
    await anew().set(KEY, SHA, final(), fall_back=True)
    github.refuse["PATCH"] = [NOT_OURS] * 2
    with pytest.raises(ForgeRefusedError):
        await anew().set(KEY, SHA, pending("c2"), fall_back=True)
    assert github.of(SHA) == (["completed"], [])


@pytest.mark.parametrize("code", [403, 404, 422])
async def test_making_one_that_is_refused_once_is_made(github, anew, code) -> None:
    github.refuse["POST"] = [(code, {}, NOT_OURS[2])]
    await anew().set(KEY, SHA, pending(), fall_back=True)
    assert github.of(SHA) == (["in_progress"], [])


@pytest.mark.parametrize("same_process", [True, False])
async def test_where_none_may_be_made_that_commit_alone_has_statuses(
    github, anew, same_process
) -> None:
    status = anew()
    github.refuse["POST"] = [NOT_OURS] * 2
    await status.set(KEY, SHA, pending(), fall_back=True)
    assert github.of(SHA) == ([], ["pending"])
    # It stays with it, whoever comes next; the next commit is asked anew.
    later = status if same_process else anew()
    await later.set(KEY, SHA, final(), fall_back=True)
    await later.set(KEY, OTHER, pending("c2"), fall_back=True)
    assert github.of(SHA) == ([], ["success", "pending"])
    assert github.of(OTHER) == (["in_progress"], [])


@pytest.mark.parametrize("said", ["Repository was archived so is read-only.", "Forbidden"])
async def test_another_refusal_is_no_reason_for_a_commit_status(github, anew, said) -> None:
    github.refuse["POST"] = [(403, {}, {"message": said})] * 2
    with pytest.raises(ForgeRefusedError):
        await anew().set(KEY, SHA, pending(), fall_back=True)
    assert github.of(SHA) == ([], [])


async def test_too_many_requests_are_no_refusal(github, anew) -> None:
    limit = (403, {"Retry-After": "90"}, {"message": "secondary rate limit"})
    github.refuse["POST"] = [limit]
    with pytest.raises(ForgeError, match="90"):
        await anew().set(KEY, SHA, pending(), fall_back=True)
    assert (github.of(SHA), github.refuse["POST"]) == (([], []), [])


async def test_a_commit_status_of_somebody_else_is_none_of_ours(github, anew, tiny) -> None:
    theirs = {"context": "minimize", "state": "success", "creator": {"login": "somebody"}}
    tiny.lists[f"/repos/o/r/commits/{SHA}/statuses"] = [theirs]
    tiny.lists[f"/repos/o/r/commits/{SHA}/check-runs"].append(
        {"id": 99, "name": "minimize", "external_id": "c1", "app": {"id": 2}}
    )
    await anew().set(KEY, SHA, pending(), fall_back=True)
    assert github.of(SHA)[0] == ["in_progress"]


async def test_another_check_of_the_commit_has_the_same_check_run(github, anew) -> None:
    await anew().set(KEY, SHA, final(), fall_back=True)
    await anew().set(KEY, SHA, pending("c2"), fall_back=True)
    assert github.of(SHA) == (["in_progress"], [])
    await anew().set(KEY, SHA, final("c2"), fall_back=True)
    assert github.of(SHA) == (["completed"], [])
    # Re-run with the same outcome is written all the same: GitHub waits for it.
    await anew().set(KEY, SHA, final("c3"), fall_back=True)
    assert github.runs[1]["external_id"] == "c3"
