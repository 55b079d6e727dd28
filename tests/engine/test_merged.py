"""Merged pull requests: stored once, with the effects that the check of their head measured."""

import threading
from dataclasses import replace
from typing import Any

import pytest

from bot.engine.merged import MergedChanges
from bot.engine.merged_effects import measured_change
from bot.forge.values import ForgeFile, ForgeTooLargeError
from bot.model.image import ImageKey
from bot.model.result_json import check_to_store
from bot.store.commands import Commands, Decision
from bot.store.history.values import MergedChange
from bot.store.records import CheckRecord
from bot.store.store import now
from bot.store.transactions import StoreError
from tests.report.situations import predicted

MERGED = {"merged": "2026-11-01T10:00:00Z", "merge_sha": "c" * 40, "open": False}
IMAGE = ImageKey("nginx", "minimal", "demo", "x86_64")


async def merge(bot: Any) -> None:
    bot.forge.pull = replace(bot.forge.pull, **MERGED)
    await bot.deliver("stop", merged=MERGED["merged"], action="closed")


def kept(bot: Any) -> Any:
    """The one change that history has, with its effects."""
    (change,) = bot.history.merged_changes()
    return bot.history.merged_change(change.id)


async def test_a_merged_change_is_kept_once_with_the_final_figures(bot: Any) -> None:
    head = bot.push({"nginx/nginx.spec": "Name: nginx\nRequires: perl\n"})
    await bot.deliver()
    await bot.settled()
    await merge(bot)
    await merge(bot)
    change = kept(bot)
    assert (change.head_sha, change.commit_sha, change.branch) == (head, "c" * 40, "main")
    assert (change.title, change.author, change.number) == ("Add perl", "ann", 7)
    assert change.sources == {"nginx": "1-2"}
    assert change.documents == ("demo",)
    (effect,) = change.effects
    assert (effect.key, effect.evidence) == (IMAGE, "rebuilt")
    assert (effect.packages_before, effect.packages_after, effect.size_after) == (10, 11, 900_000)


async def test_a_check_that_runs_at_the_merge_goes_on_and_is_kept_when_it_ends(bot: Any) -> None:
    head = bot.push({"nginx/nginx.spec": "Name: nginx\nRequires: perl\n"})
    held = bot.checker.hold[head] = threading.Event()
    bot.forge.files = (ForgeFile("nginx/nginx.spec"), ForgeFile("README"))
    await bot.deliver()
    await merge(bot)
    change = kept(bot)
    assert (dict(change.sources), change.effects, change.check_id) == ({"nginx": None}, (), None)
    held.set()
    await bot.settled()
    assert [effect.evidence for effect in kept(bot).effects] == ["rebuilt"]
    assert bot.forge.statuses[-1][1].state == "success"
    assert bot.forge.comments[-1][0] == head


async def test_what_was_never_checked_is_kept_without_figures(bot: Any) -> None:
    bot.push({"nginx/nginx.spec": "Name: nginx\nVersion: 2\n"})
    bot.forge.files = (ForgeFile("nginx/nginx.spec"),)
    await merge(bot)
    change = kept(bot)
    assert (dict(change.sources), change.effects) == ({"nginx": None}, ())


async def test_what_the_forge_will_not_list_git_finds(bot: Any) -> None:
    bot.push({"nginx/nginx.spec": "Name: nginx\nVersion: 2\n"})

    async def refuse(key: Any) -> Any:
        raise ForgeTooLargeError("Sorry, the diff exceeded the maximum number of files.")

    bot.forge.changed_files = refuse
    await merge(bot)
    assert dict(kept(bot).sources) == {"nginx": None}


@pytest.mark.parametrize("merged", [True, False])
async def test_what_changes_no_package_or_was_not_merged_is_not_kept(
    bot: Any, merged: bool
) -> None:
    bot.push({"README": "more\n"})
    if merged:
        bot.forge.files = (ForgeFile("README"),)
        await merge(bot)
    else:
        bot.forge.pull = replace(bot.forge.pull, open=False)
        await bot.deliver("stop", action="closed")
    assert bot.history.merged_changes() == ()


async def test_a_late_delivery_of_an_open_pull_request_finds_the_merge(bot: Any) -> None:
    bot.push({"nginx/nginx.spec": "Name: nginx\nRequires: perl\n"})
    bot.forge.files = (ForgeFile("nginx/nginx.spec"),)
    bot.forge.pull = replace(bot.forge.pull, **MERGED)
    await bot.deliver()
    assert kept(bot).merged == MERGED["merged"]


async def test_growth_that_was_accepted_is_on_record_once_merged(bot: Any) -> None:
    bot.checker.over = True
    head = bot.push({"nginx/nginx.spec": "Name: nginx\nRequires: perl\n"})
    await bot.deliver()
    await bot.settled()
    decision = Decision(
        "gh", "o/r", 7, head, "accept", "maria", "write", "perl is needed", now(), "41", "https://c"
    )
    Commands(bot.store).decide(decision)
    assert bot.history.acceptances() == ()
    await merge(bot)
    await merge(bot)
    (accepted,) = bot.history.acceptances()
    assert (accepted.accepted_by, accepted.reason) == ("maria", "perl is needed")
    assert (accepted.objective, accepted.metric) == ("small", "packages")
    assert (accepted.before, accepted.value, accepted.limit) == (10, 11, 10)
    assert (accepted.head_sha, accepted.key) == (head, IMAGE)


async def test_a_result_that_could_not_be_kept_is_kept_in_the_next_round(
    bot: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    head = bot.push({"nginx/nginx.spec": "Name: nginx\nRequires: perl\n"})
    held = bot.checker.hold[head] = threading.Event()
    bot.forge.files = (ForgeFile("nginx/nginx.spec"),)
    await bot.deliver()
    await merge(bot)
    failing = [StoreError("full"), StoreError("full")]
    keep = MergedChanges.ended

    def fails(self: MergedChanges, record: Any) -> None:
        if failing:
            raise failing.pop()
        keep(self, record)

    monkeypatch.setattr(MergedChanges, "ended", fails)
    held.set()
    while failing:
        try:
            await bot.collector.collect()
        except StoreError:
            assert bot.store.open_checks()
    await bot.settled()
    assert len(kept(bot).effects) == 1


async def test_a_check_keeps_the_objectives_that_the_base_branch_states(bot: Any) -> None:
    own = "objectives: []\n"
    base = bot.repository.commit("main", {".minimize.yaml": own})
    head = bot.push({"nginx/nginx.spec": "Name: nginx\n", ".minimize.yaml": "objectives: 7\n"})
    bot.show(head, base_sha=base, default_branch="main")
    await bot.deliver()
    await bot.settled()
    (file,) = bot.history.repository_files()
    assert (file.repository, file.branch, file.commit_sha) == ("o/r", "main", base)
    assert (file.content, file.private) == (own, False)


async def test_the_objectives_of_a_branch_that_nothing_is_built_from_are_not_kept(
    bot: Any,
) -> None:
    base = bot.repository.commit("main", {".minimize.yaml": "objectives: []\n"})
    head = bot.push({"nginx/nginx.spec": "Name: nginx\nVersion: 3\n"})
    bot.show(head, base_sha=base, default_branch="stable")
    await bot.deliver()
    await bot.settled()
    assert bot.history.repository_files() == ()
    await merge(bot)
    assert bot.history.merged_changes() == ()


@pytest.mark.parametrize(
    ("workload", "stored"),
    [
        ("web/Containerfile", "o/r/web/Containerfile"),
        ("web/Containerfile:build", "o/r/web/Containerfile:build"),
        ("nginx", "nginx"),
    ],
)
def test_an_image_of_a_file_has_its_repository_before_its_name(workload: str, stored: str) -> None:
    prediction = predicted()
    images = tuple(
        replace(image, key=ImageKey(workload, "minimal", "demo", image.key.arch))
        for image in prediction.images
    )
    result = replace(
        prediction, specs=(), sources={}, requests=("web/Containerfile",), images=images
    )
    change = MergedChange("gh", "o/r", 7, "t", "ann", "u", "a" * 40, "now", None)
    check = CheckRecord(
        id="c", forge="gh", repository="o/r", number=7, head_sha="a" * 40,
        result=check_to_store(result),
    )  # fmt: skip
    measured = measured_change(change, check)
    assert {effect.key.workload for effect in measured.effects} == {stored}
    assert dict(measured.sources) == {}
