"""`/minimize check with`: on both forges, who may have what told where, and what is built."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bot.demo.forge.values import Pull, Repository
from bot.engine.job import CheckJob, OtherHead
from bot.engine.together import trust_in_all
from bot.engine.trust import Trust
from bot.engine.values import ValueSerializer
from bot.settings.operation import BuildSettings
from tests.engine.test_permissions_on_forges import World, world
from tests.forges import ABILITIES, BOT, KINDS

NOT_HERE = "is no pull request that can be shown here"


@pytest.fixture(params=KINDS)
async def two(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    """A forge with rpms/nginx, which has a pull request of ann's."""
    async with world(tmp_path, request.param) as made:
        yield made


async def other_pull(world: World, name: str, *, private: bool = False) -> tuple[Repository, Pull]:
    """A second repository with a pull request of zoe's."""
    local = world.local
    repository = local.add_repository(name, private=private)
    repository.git.commit("main", {"perl.spec": "Name: perl\n"}, "Start")
    if world.forge.name != "gh":
        local.set_role(repository, BOT, ABILITIES[world.kind].role)
    repository.git.commit("fix", {"perl.spec": "# fix\nName: perl\n"}, "fix", start="main")
    return repository, await local.open_pull(repository, "fix", user="zoe", title="fix")


async def refusal_of(world: World, pull: Pull, name: str) -> str:
    """The answer to `check with` of ann's; empty where it was taken."""
    mark = "!" if world.forge.name == "gl" else "#"
    before = len(world.local.deliveries)
    world.engine.replies.clear()
    world.engine.asked.clear()
    text = f"/minimize check with {name.replace('#', mark)}"
    await world.local.comment(pull, text, user="ann")
    for delivery in world.local.deliveries[before:]:
        headers = {name.lower(): value for name, value in delivery.headers.items()}
        world.store.add_deliveries([world.forge.accept(headers, delivery.body)])
    await world.dispatcher.handle_new()
    answer = " ".join(line.answer for reply in world.engine.replies for line in reply.lines)
    assert world.engine.asked == ([] if answer else ["check"])
    return answer


def serve(world: World, repository: Repository) -> None:
    """Have a check of a repository on record: the server serves it."""
    path = repository.full_name if world.forge.name == "gh" else repository.gitlab_path
    with world.store.writing() as db:
        db.execute(
            "insert into checks (id, forge, repository, number, head_sha, stage, created, open)"
            " values (?, ?, ?, 99, 'x', 'final', '2020-01-01T00:00:00Z', 0)",
            [f"served {path}", world.forge.name, path or repository.full_name],
        )


async def test_another_public_one_is_checked_with_it_beside_the_status(two: World) -> None:
    pull = await two.pull("own", "branch")
    repository, other = await other_pull(two, "rpms/perl")
    serve(two, repository)
    assert await refusal_of(two, pull, f"rpms/perl#{other.number}") == ""
    (record,) = two.store.rows("select narrowed, number from checks where head_sha <> 'x'")
    # A narrowed run has no status, and its answer is a comment of its own.
    assert record == {"narrowed": 1, "number": pull.number}


async def test_one_of_a_repository_that_the_server_does_not_serve_is_refused(two: World) -> None:
    pull = await two.pull("own", "branch")
    _, other = await other_pull(two, "rpms/perl")
    answer = await refusal_of(two, pull, f"rpms/perl#{other.number}")
    assert NOT_HERE in answer
    # The sentence is the one of a repository that there is not.
    nowhere = await refusal_of(two, pull, "rpms/nowhere#7")
    assert nowhere.partition(" ")[2] == answer.partition(" ")[2]


@pytest.mark.parametrize("place", ["public", "private", "other owner"])
@pytest.mark.parametrize("role", ["none", "write"])
async def test_a_private_one_is_told_only_to_its_readers_and_in_a_private_place(
    two: World, place: str, role: str
) -> None:
    if place != "public" and not ABILITIES[two.kind].private:
        pytest.skip("its API shows nothing of private projects")
    pull = await two.pull("own", "branch")
    two.repository.private = place != "public"
    owner = "others" if place == "other owner" else "rpms"
    repository, other = await other_pull(two, f"{owner}/perl", private=True)
    if two.forge.name == "gh" and owner == "others":
        two.local.install(two.local.state.apps[0], owner)
    for one in (repository, two.repository):
        if one.private and role != "none":
            two.local.set_role(one, "ann", role)
    serve(two, repository)
    answer = await refusal_of(two, pull, f"{owner}/perl#{other.number}")
    told = place == "private" and role == "write"
    assert (answer == "") is told, answer
    assert told or NOT_HERE in answer


async def test_what_is_no_other_pull_request_is_refused_in_words(two: World) -> None:
    pull = await two.pull("own", "branch")
    assert "is this pull request itself" in await refusal_of(two, pull, f"#{pull.number}")
    assert "names no pull request" in await refusal_of(two, pull, "perl")
    many = " ".join(f"rpms/p{n}#1" for n in range(6))
    assert "At most 5 others" in await refusal_of(two, pull, many)


class Roles:
    """A forge that knows roles alone."""

    def __init__(self, **roles: str) -> None:
        self.roles = roles

    async def role_of(self, key: Any, user: str) -> str:
        return self.roles[user]

    async def pusher_of(self, key: Any, sha: str) -> None:
        return None


OTHER = OtherHead("rpms/perl#3", "rpms/perl", 3, "main", "b" * 40, "c" * 40, "zoe")
JOB = CheckJob(
    "c", "gh", "rpms/nginx", 7, "main", "b" * 40, "a" * 40, "ann", answers="m", others=(OTHER,)
)


async def test_it_is_built_only_if_every_head_is_trusted_or_allowed() -> None:
    build = BuildSettings()
    trusted: Any = Roles(ann="write", zoe="triage")
    stranger: Any = Roles(ann="write", zoe="none")
    assert await trust_in_all(JOB, trusted, build) == Trust(True)
    trust = await trust_in_all(JOB, stranger, build)
    assert not trust.trusted
    assert trust.why.startswith("rpms/perl#3: `zoe` has no role")
    allowed = replace(JOB, others=(replace(OTHER, allowed="ann"),))
    assert (await trust_in_all(allowed, stranger, build)).trusted


def test_a_job_with_others_goes_through_the_engine_and_is_no_answer_for_the_commit() -> None:
    serializer = ValueSerializer()
    assert serializer.deserialize(serializer.serialize(JOB)) == JOB
    assert JOB.narrowed
    assert not replace(JOB, others=()).narrowed
