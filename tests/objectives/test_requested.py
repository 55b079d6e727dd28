"""Images of files such as Containerfiles in history: from a push to objectives and figures."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from bot.demo.forge.server import LocalForge
from bot.distro.cache import Cache
from bot.engine.merged import MergedChanges, Pushes
from bot.forge.events import PushEvent
from bot.model.image import ImageKey
from bot.objectives.tracking import TrackResult, track
from bot.requests.file_images import BaseImage
from bot.settings.values import RepositoryRule
from bot.store.history.history import History, open_history
from bot.store.history.values import BranchFile, MergedChange, MergedEffect
from bot.store.store import now, open_store
from tests.check.tiny import Bench, documented, make_repositories
from tests.engine.conftest import settings_in
from tests.forges import forge_on

NAME = "images/web"
TABLE = (BaseImage("example.org/tiny:*", "repo", "minimal"),)
LAYERED = "FROM example.org/tiny:1\nRUN dnf install -y tool && dnf clean all\n"
OWN = "objectives:\n- {name: small, workload: Containerfile, limits: {packages: 3}}\n"
KEY = ImageKey(f"{NAME}/Containerfile", "minimal", "repo", "x86_64")


@pytest.fixture(scope="module")
def repositories(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny")
    make_repositories(folder)
    return folder


@dataclass
class World:
    local: LocalForge
    pushes: Pushes
    forge: object
    history: History
    bench: Bench

    async def push(self, *, private: bool = False, **files: str) -> None:
        """Push files to the default branch, which the server hears of."""
        repository = self.local.state.repository(NAME)
        assert repository is not None
        before = repository.git.branch("main") or "0" * 40
        named = {name.replace("__", "."): text for name, text in files.items()}
        after = repository.git.commit("main", named, "Change")
        event = PushEvent("it", NAME, "main", before, after, "main", private)
        await self.pushes.take(self.forge, event, "2026-11-24T00:00:00.000000Z")  # type: ignore[arg-type]

    def track(self) -> TrackResult:
        cache = Cache(self.bench.root / "cache")
        configuration = self.bench.configuration()
        return track(configuration, self.history, cache, processes=1, base_images=TABLE)


@pytest.fixture
async def world(tmp_path: Path, repositories: Path) -> AsyncIterator[World]:
    async with LocalForge(tmp_path / "forge") as local:
        repository = local.add_repository(NAME)
        permissions = {"contents": "read", "metadata": "read", "pull_requests": "read"}
        forge = forge_on(local, "github", repository, permissions=permissions)
        rule = RepositoryRule(match="images/*", documents=("repo",))
        settings = settings_in(tmp_path).model_copy(update={"repositories": (rule,)})
        store = open_store(tmp_path)
        history = open_history(store)
        pushes = Pushes(settings, MergedChanges(store, history, settings))
        yield World(local, pushes, forge, history, documented(tmp_path, repositories))
        history.close()
        store.close()
        await forge.close()


async def test_a_containerfile_of_a_branch_has_history_and_objectives(world: World) -> None:
    await world.push(Containerfile=LAYERED, __minimize__yaml=OWN, README="r")
    first = world.track()
    images = {image.key: image for image in first.images}
    assert len(images) == 2
    # The layer's own: tool and its library; what the base image holds is not in it.
    assert images[KEY].after.facts.packages == 2
    assert [status.state.met for status in first.statuses if status.state.key == KEY] == [True]
    assert world.track().solved == 0

    await world.push(Containerfile=LAYERED.replace("tool", "tool perl"))
    grown = {image.key: image for image in world.track().images}[KEY]
    assert grown.before is not None
    assert (grown.before.facts.packages, grown.after.facts.packages) == (2, 4)
    causes = {cause.package: cause.kind for cause in grown.causes}
    assert causes == {"perl": "configuration", "perl-libs": "configuration"}
    statuses = world.track().statuses
    assert [status.state.met for status in statuses if status.state.key == KEY] == [False]


async def test_a_merged_change_of_a_file_is_the_cause_of_its_step(world: World) -> None:
    await world.push(Containerfile=LAYERED)
    world.track()
    names = {"perl": "came", "perl-libs": "came"}
    effect = MergedEffect(KEY, "predicted", 2, 4, None, None, names)
    merged = MergedChange(
        "it", NAME, 7, "Add perl", "ann", "https://it/7", "a" * 40, now(), None, {}, (effect,),
        branch="main", documents=("repo",),
    )  # fmt: skip
    number = world.history.recorder.record_merged(merged)
    await world.push(Containerfile=LAYERED.replace("tool", "tool perl"))
    grown = {image.key: image for image in world.track().images}[KEY]
    assert {(cause.kind, cause.merged_change) for cause in grown.causes} == {
        ("pull request", number)
    }
    stored = world.history.merged_change(number)
    assert stored is not None
    assert stored.landed_run is not None


async def test_a_file_that_goes_takes_its_image_with_it(world: World) -> None:
    await world.push(Containerfile=LAYERED, other__Containerfile=LAYERED)
    assert len(world.track().images) == 4
    repository = world.local.state.repository(NAME)
    assert repository is not None
    await world.push(Containerfile="FROM scratch\n")
    assert {image.key.workload for image in world.track().images} == {f"{NAME}/other.Containerfile"}


async def test_a_line_that_cannot_be_read_is_a_note_and_private_files_are_left_out(
    world: World,
) -> None:
    await world.push(Containerfile=LAYERED.replace("tool", "$TOOL"))
    tracked = world.track()
    assert tracked.images == ()
    assert any("Containerfile:2: not evaluated: a value is not known" in n for n in tracked.notes)
    await world.push(private=True, Containerfile=LAYERED)
    assert world.track().images == ()


def test_a_check_that_did_not_read_files_leaves_those_of_the_push(world: World) -> None:
    file = BranchFile("it", NAME, "main", "1" * 40, False, ("repo",), None, "now", {"a": "b"})
    world.history.recorder.record_file(file)
    world.history.recorder.record_file(
        BranchFile("it", NAME, "main", "2" * 40, False, ("repo",), OWN, "later")
    )
    (file,) = world.history.repository_files()
    assert (file.commit_sha, file.content, file.requests) == ("2" * 40, OWN, {"a": "b"})
