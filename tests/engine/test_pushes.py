"""Pushes to the branches that distributions are built from, on both forges of the demo."""

from pathlib import Path

import pytest

from bot.demo.forge.server import LocalForge
from bot.demo.forge.values import Repository
from bot.engine.merged import MOST_COMMITS, MergedChanges, Pushes
from bot.forge.events import PushEvent
from bot.forge.protocol import Forge
from bot.settings.values import RepositoryRule
from bot.store.history.history import History, open_history
from bot.store.history.values import MergedChange
from bot.store.store import open_store
from tests.engine.conftest import settings_in
from tests.forges import KINDS, forge_on

ZERO = "0" * 40
RULE = RepositoryRule(match="rpms/*", documents=("fedora",))
OBJECTIVES = "objectives:\n- {name: small, workload: web, limits: {packages: 2}}\n"
RECEIVED = "2026-11-24T00:00:00.000000Z"


class Place:
    """The local forge with rpms/web, and what takes its pushes."""

    def __init__(
        self, local: LocalForge, repository: Repository, forge: Forge, where: Path
    ) -> None:
        self.local, self.repository, self.forge = local, repository, forge
        settings = settings_in(where)
        self.settings = settings.model_copy(update={"repositories": (RULE,)})
        self.store = open_store(where)
        self.history: History = open_history(self.store)
        self.pushes = Pushes(self.settings, MergedChanges(self.store, self.history, self.settings))

    def commit(self, branch: str = "main", start: str | None = None, **files: str | None) -> str:
        named = {name.replace("__", "."): text for name, text in files.items()}
        return self.repository.git.commit(
            branch, named, "Bump, @all", author="Ann <a@x.org>", start=start
        )

    async def push(self, before: str, after: str, branch: str = "main") -> tuple[bool, str]:
        event = PushEvent(
            "it", "rpms/web", branch, before, after, "main", False, "https://f/rpms/web/commit"
        )
        return await self.pushes.take(self.forge, event, RECEIVED)

    def kept(self) -> tuple[MergedChange, ...]:
        return tuple(reversed(self.history.merged_changes()))


@pytest.fixture(params=KINDS)
async def place(request: pytest.FixtureRequest, tmp_path: Path):
    async with LocalForge(tmp_path / "forge") as local:
        repository = local.add_repository("rpms/web")
        permissions = {"contents": "read", "metadata": "read", "pull_requests": "read"}
        forge = forge_on(local, request.param, repository, permissions=permissions, role="read")
        place = Place(local, repository, forge, tmp_path)
        yield place
        place.history.close()
        place.store.close()
        await forge.close()


async def test_commits_that_change_packages_are_kept_once_each(place: Place) -> None:
    start = place.commit(web__spec="Name: web\nVersion: 1\n", README="r")
    first = place.commit(web__spec="Name: web\nVersion: 2\n")
    place.commit(README="more")
    place.commit(fix__patch="-\n", web__spec="Name: web\nVersion: 2\nPatch0: fix.patch\n")
    last = place.commit(other__spec="Name: %{x}\n", fix__patch="+\n")
    for _ in range(2):
        assert (await place.push(start, last))[0]
    one, _, two = place.kept()
    assert (one.number, one.commit_sha, one.branch, one.documents) == (
        None, first, "main", ("fedora",),
    )  # fmt: skip
    assert (one.title, one.author, one.merged) == ("Bump, @all", "Ann", RECEIVED)
    assert one.url == f"https://f/rpms/web/commit/{first}"
    assert dict(one.sources) == {"web": None}
    # The patch belongs to the spec that names it.
    assert dict(two.sources) == {"other": None, "web": None}
    assert all(not place.history.merged_change(c.id).effects for c in place.kept())  # type: ignore[union-attr]


async def test_what_came_with_a_pull_request_is_the_pull_requests(place: Place) -> None:
    start = place.commit(web__spec="Name: web\nVersion: 1\n")
    head = place.commit("topic", start="main", web__spec="Name: web\nVersion: 2\n")
    pull = await place.local.open_pull(place.repository, "topic", user="ann", title="t")
    place.repository.git.set_ref("refs/heads/main", head)
    assert (await place.push(start, head))[1].endswith("0 commits without a pull request.")
    await place.local.close_pull(pull, user="ann")
    assert place.kept() == ()


async def test_what_was_closed_and_then_pushed_came_without_one(place: Place) -> None:
    start = place.commit(web__spec="Name: web\nVersion: 1\n")
    head = place.commit("topic", start="main", web__spec="Name: web\nVersion: 2\n")
    pull = await place.local.open_pull(place.repository, "topic", user="ann", title="t")
    await place.local.close_pull(pull, user="ann")
    place.repository.git.set_ref("refs/heads/main", head)
    await place.push(start, head)
    assert [change.commit_sha for change in place.kept()] == [head]


async def test_a_new_a_rewritten_and_a_deleted_branch_bring_no_commits(place: Place) -> None:
    start = place.commit(web__spec="Name: web\n", __minimize__yaml=OBJECTIVES)
    await place.push(ZERO, start)
    (file,) = place.history.repository_files()
    assert (file.content, file.commit_sha, file.documents) == (OBJECTIVES, start, ("fedora",))
    old = place.commit(web__spec="Name: web\nVersion: 2\n")
    place.repository.git.set_ref("refs/heads/main", start)
    new = place.commit(web__spec="Name: web\nVersion: 3\n", __minimize__yaml=None)
    place.repository.git.set_ref("refs/heads/keep", old)
    await place.push(old, new)
    assert place.history.repository_files()[0].content is None
    await place.push(new, ZERO)
    assert place.kept() == ()


async def test_a_huge_push_is_one_change(place: Place) -> None:
    start = place.commit(web__spec="Name: web\n")
    for number in range(MOST_COMMITS + 1):
        last = place.commit(web__spec=f"Name: web\nVersion: {number}\n")
    await place.push(start, last)
    assert [change.commit_sha for change in place.kept()] == [last]


async def test_branches_that_nothing_is_built_from_are_left_alone(place: Place) -> None:
    start = place.commit(web__spec="Name: web\n")
    topic = place.commit("topic", start="main", web__spec="Name: web\nVersion: 2\n")
    assert (await place.push(start, topic, "topic"))[0] is False
    stable = replace_rules(place, RepositoryRule(match="*", branch="topic", documents=("fedora",)))
    assert (await stable.push(start, topic, "topic"))[0] is True


def replace_rules(place: Place, *rules: RepositoryRule) -> Place:
    place.settings = place.settings.model_copy(update={"repositories": rules})
    place.pushes = Pushes(place.settings, MergedChanges(place.store, place.history, place.settings))
    return place


@pytest.mark.parametrize(
    ("is_bot", "urgency", "least"), [(False, "push", 0), (True, "scheduled", 1_000_000)]
)
async def test_a_programs_change_waits_behind_those_of_people(
    bot, is_bot: bool, urgency: str, least: int
) -> None:
    bot.push({"nginx.spec": "Name: nginx\nRequires: perl\n"})
    bot.show(bot.forge.pull.head_sha, author_is_bot=is_bot)
    await bot.deliver()
    await bot.settled()
    job = await bot.engine.job_of(bot.checks()[0].id)
    assert job is not None
    assert job.urgency == urgency
    with bot.engine.database.connect() as connection:
        rows = connection.exec_driver_sql("select name, priority from workflow_status").all()
    assert {name for name, _ in rows} == {"check", "finish"}
    assert all((priority >= 1_000_000) == is_bot for _, priority in rows)
    assert all(priority >= least for _, priority in rows)
