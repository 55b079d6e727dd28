"""`minimize track` and `objectives` from run to run, and the import of a whole tree."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from bot.cli import cli
from bot.distro.cache import Cache
from bot.distro.load import check_configuration, import_content_resolver, load_configuration
from bot.errors import UsageError
from bot.model.image import ImageKey
from bot.objectives.jsonform import track_to_json
from bot.objectives.status import objective_statuses, objectives_now
from bot.objectives.tracking import track
from bot.store.history.history import History
from tests.benchmarks.content_resolver_tree import Tree, write_packages, write_tree
from tests.check.tiny import objective

OBJECTIVE = objective(
    "workload-060",
    architectures=["x86_64"],
    limits={"packages": 1},
    unwanted={"pkg00000": "why not"},
)


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    tree = write_tree(tmp_path / "tree", packages=80, workloads=62, arches=("x86_64",))
    for path in tree.config_dir.glob("repo-*.yaml"):
        path.write_text(path.read_text().replace("[aarch64, ppc64le, s390x, x86_64]", "[x86_64]"))
    (tree.config_dir / "small.yaml").write_text(OBJECTIVE)
    return tree


def test_a_second_run_solves_nothing_and_a_new_package_is_the_cause(
    tree: Tree, history: History, tmp_path: Path
) -> None:
    configuration, cache = load_configuration(tree.config_dir), Cache(tmp_path / "cache")
    first = track(configuration, history, cache, processes=1)
    assert len(first.images) == first.solved == 62
    assert all(image.before is None for image in first.images)
    again = track(configuration, history, cache, processes=1)
    assert again.solved == 0
    assert all(image.before and image.before.facts == image.after.facts for image in again.images)

    write_packages(tree.repositories / "x86_64", "x86_64", 80, frozenset({0}))
    third = track_to_json(track(configuration, history, cache, processes=1))
    moved = [image for image in third["images"] if image["steps"]]
    assert moved
    for image in moved:
        grown = image["after"]["installed_size"] - image["before"]["installed_size"]
        assert sum(step["delta"] for step in image["steps"]) == grown == 1000
        (step,) = image["steps"]
        assert step["package"] == "pkg00000"
        assert step["cause"]["kind"] == "distribution"
    key = ImageKey("workload-060", "env-0", "repo-0", "x86_64")
    (stored,) = history.steps(key)
    assert stored.known_delta == sum(c.known_delta for c in stored.causes) == 1000
    now = {m.nevra: m for m in history.contents(key).members}
    then = {m.nevra: m for m in history.contents(key, history.runs()[2].started).members}
    assert {n.release for n in set(now) - set(then)} == {"2"}


def test_objectives_stand_as_the_images_are(tree: Tree, history: History, tmp_path: Path) -> None:
    configuration, cache = load_configuration(tree.config_dir), Cache(tmp_path / "cache")
    before = objectives_now(configuration, history, cache).statuses
    track(configuration, history, cache, processes=1)
    stored = objective_statuses(history)
    assert {s.state.metric: s.outlook for s in stored} == {
        "packages": "broken",
        "unwanted:pkg00000": "broken",
    }
    assert {s.state.metric: s.state.value for s in before} == {
        s.state.metric: s.state.value for s in stored
    }
    assert all(s.trend_per_week is None for s in stored)


def test_the_commands_print_json_alone(tree: Tree, tmp_path: Path) -> None:
    places = ["--config", str(tree.config_dir), "--data", str(tmp_path / "d")]
    places += ["--cache", str(tmp_path / "cache"), "--format", "json"]
    ran = CliRunner().invoke(cli, ["track", *places], standalone_mode=False)
    value = json.loads(ran.stdout)
    assert ran.return_value == 0
    assert [o["name"] for o in value["objectives"]] == ["small"]
    ran = CliRunner().invoke(cli, ["objectives", *places], standalone_mode=False)
    (metric, *_) = json.loads(ran.stdout)["objectives"][0]["images"]
    assert metric["trend_per_week"] is None and metric["limit"] == 1 and metric["met"] is False


def test_a_tree_with_every_odd_case_is_taken_over(tmp_path: Path) -> None:
    tree = write_tree(tmp_path / "tree", packages=60, arches=())
    assert check_configuration(tree.config_dir).documents == 519
    imported = import_content_resolver(tree.root, tmp_path / "config")
    assert len(imported.copied) == 519
    assert imported.images == 441 * 4
    assert imported.report.unused
    assert import_content_resolver(tree.root, tmp_path / "config").images == imported.images


def test_a_wrong_document_is_named_and_nothing_is_copied(tmp_path: Path) -> None:
    tree = write_tree(tmp_path / "tree", packages=60, workloads=60, arches=())
    (tree.config_dir / "bad.yaml").write_text(
        "document: feedback-pipeline-workload\nversion: 1\ndata:\n  name: x\n  packges: []\n"
    )
    imported = import_content_resolver(tree.root, tmp_path / "config")
    assert any(e.file.endswith("bad.yaml") and e.line == 5 for e in imported.report.errors)
    assert not (tmp_path / "config").exists()


def test_a_document_that_is_there_already_is_not_overwritten(tmp_path: Path) -> None:
    tree = write_tree(tmp_path / "tree", packages=60, workloads=60, arches=())
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "env-0.yaml").write_text("mine")
    with pytest.raises(UsageError, match=r"env-0\.yaml"):
        import_content_resolver(tree.root, tmp_path / "config")
    assert (tmp_path / "config" / "env-0.yaml").read_text() == "mine"
