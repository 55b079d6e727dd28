"""A change of Content Resolver's documents, from a commit to the result."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bot.check.change import open_change
from bot.check.plan import CheckOptions
from bot.check.run import predict_check
from bot.git.repository import open_repository
from bot.model.result import CheckResult, ImageResult
from bot.model.result_json import check_from_json, check_to_json
from bot.report.render import render_comment, status_line
from tests.check.tiny import DOCUMENTS, TOOL, Bench, workload

ImageOf = Callable[..., ImageResult]
MINIMAL = DOCUMENTS["minimal"]


@pytest.fixture
def tree(tmp_path: Path, tiny_repositories: Path) -> Bench:
    """A repository of documents alone, and a bot without any."""
    bench = Bench(tmp_path, tiny_repositories)
    bench.config.mkdir()
    repo = DOCUMENTS["repo"].replace("%ROOT%", str(tiny_repositories))
    bench.start({"repo.yaml": repo, "minimal.yaml": MINIMAL, "web.yaml": workload("tool")})
    return bench


def check(tree: Bench, head: dict[str, str | None]) -> CheckResult:
    return tree.check(head, own_repositories=True)


def names(image: ImageResult) -> list[str]:
    return [a.package.nevra.name for a in image.added]


def test_a_workload_that_asks_for_more_has_its_line_in_the_place_of_a_spec_line(
    tree: Bench, image_of: ImageOf
) -> None:
    more = workload("tool").replace("[tool]", "\n  - tool\n  - perl")
    result = check(tree, {"web.yaml": more})
    assert (result.verdict, result.specs, result.requests) == ("success", (), ("web.yaml",))
    assert [i.key.arch for i in result.images] == ["aarch64", "x86_64"]
    image = image_of(result)
    assert (image.evidence, image.key.workload, image.changed) == ("requested", "web", True)
    assert names(image) == ["perl", "perl-libs"]
    perl, libs = image.added
    assert perl.requested and perl.chains == ((),)
    assert [[edge.capability for edge in chain] for chain in libs.chains] == [["perl-libs"]]
    for package in image.added:
        assert package.spec is not None
        assert (package.spec.path, package.spec.line, package.spec.text) == (
            "web.yaml",
            10,
            "- perl",
        )
        assert package.leaves_with == (package.spec,)
    written = check_to_json(result)
    assert check_to_json(check_from_json(written)) == written
    assert written["images"][0]["added"][0]["chains"] == [[]]
    comment = render_comment(result)
    assert "`- perl`" in comment and "web.yaml:10" in comment
    assert "solved with the published packages" in comment
    assert "predicted" not in comment and "unverified" not in comment
    assert "(predicted)" not in status_line(result)[0]


@pytest.mark.parametrize("folder", ["", "images/"])
def test_the_first_document_and_the_last_are_the_repositorys_own_images_alone(
    bench: Bench, folder: str
) -> None:
    """The bot's own workload `web` is neither requested nor given up by a folder without any."""
    (bench.root / "git" / "images").mkdir()
    result = bench.check({f"{folder}own.yaml": workload("perl")})
    assert {(i.key.workload, i.base.status) for i in result.images} == {("own", "absent")}
    assert result.verdict == "success"
    assert not [note for note in result.notes if "requested" in note]
    result = bench.check({f"{folder}own.yaml": None})
    assert result.images == ()
    requested = [note for note in result.notes if "requested" in note]
    assert requested == ["No longer requested: own in minimal."]


def test_an_environment_changes_the_images_of_all_its_workloads(
    tree: Bench, image_of: ImageOf
) -> None:
    tree.commit({"other.yaml": workload("addon")})
    result = check(tree, {"minimal.yaml": MINIMAL.replace("[base]", "[base, perl]")})
    assert [(i.key.workload, i.key.arch) for i in result.images] == [
        ("other", "aarch64"), ("other", "x86_64"), ("web", "aarch64"), ("web", "x86_64"),
    ]  # fmt: skip
    assert {line.path for i in result.images for a in i.added for line in a.leaves_with} == {
        "minimal.yaml"
    }


def test_a_label_decides_which_workloads_an_environment_has(tree: Bench) -> None:
    result = check(tree, {"web.yaml": workload("tool").replace("[l]", "[other]")})
    assert result.images == ()
    assert result.notes[0] == "No longer requested: web in minimal."
    back = check(tree, {"web.yaml": workload("tool")})
    assert {(i.base.status, i.head.status) for i in back.images} == {("absent", "ok")}


def test_a_repository_document_that_changes_has_a_pool_for_each_side(
    tree: Bench, image_of: ImageOf
) -> None:
    tree.commit({"web.yaml": workload("tool", "perl")})
    root = tree.repositories
    before = DOCUMENTS["repo"].replace("%ROOT%", str(root))
    after = before.replace('$basearch/"}', '$basearch/", exclude: ["perl*"]}')
    assert after != before
    result = check(tree, {"repo.yaml": after})
    image = image_of(result)
    assert (image.base.status, image.head.status) == ("ok", "unsolvable")
    assert result.verdict == "failure"


def test_a_request_that_nothing_provides_fails_on_its_line(tree: Bench, image_of: ImageOf) -> None:
    result = check(tree, {"web.yaml": workload("tool", "nothere")})
    image = image_of(result)
    assert (result.verdict, image.head.status) == ("failure", "unsolvable")
    (cause,) = image.head.causes
    assert cause.spec is not None and (cause.spec.path, cause.spec.line) == ("web.yaml", 8)


def test_a_document_that_is_wrong_fails_with_its_place(tree: Bench) -> None:
    result = check(tree, {"web.yaml": workload("tool").replace("labels", "label")})
    assert result.verdict == "failure"
    assert any(p.startswith("web.yaml:") for p in result.problems), result.problems


def test_a_strangers_repository_document_is_not_opened(tree: Bench) -> None:
    tree.document("repo", DOCUMENTS["repo"])
    away = DOCUMENTS["repo"].replace("file://%ROOT%/$basearch/", "http://192.0.2.1/")
    result = tree.check({"repo.yaml": away, "web.yaml": workload("tool", "perl")})
    assert {i.head.status for i in result.images} == {"ok"}
    assert result.verdict == "neutral"
    assert any("the bot's own configuration" in problem for problem in result.problems)


def test_a_spec_and_a_request_in_one_change_are_one_answer(bench: Bench, image_of: ImageOf) -> None:
    files = {"repo": DOCUMENTS["repo"], "minimal": MINIMAL, "web": workload("tool")}
    for id_, text in files.items():
        bench.commit({f"{id_}.yaml": text.replace("%ROOT%", str(bench.repositories))})
    spec = TOOL.replace("%description\n%files\n", "Requires: perl-libs\n%description\n%files\n", 1)
    result = bench.check({"tool.spec": spec, "web.yaml": workload("tool", "addon")})
    assert (result.specs, result.requests) == (("tool.spec",), ("web.yaml",))
    image = image_of(result)
    assert image.evidence == "predicted"
    lines = {a.package.nevra.name: a.spec and a.spec.path for a in image.added}
    assert lines["perl-libs"] == "tool.spec"
    assert lines["addon"] == lines["tool-extra"] == "web.yaml"


def test_nothing_of_a_request_runs_or_is_built(tree: Bench) -> None:
    tree.commit({"web.yaml": workload("tool", "perl")})
    options = CheckOptions(own_repositories=True)
    with open_change(open_repository(tree.root / "git"), "HEAD~1", "HEAD") as change:
        prediction = predict_check(change, options, tree.configuration(), tree.pools())
    # Whose change it is does not matter then: no stranger's text is executed.
    assert (prediction.read, prediction.worth_building) == (False, False)
