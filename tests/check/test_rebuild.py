"""Rebuilds: the sentences on builds without packages, and the lookaside cache of the sources."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.build.builder import BuildFailed, BuildRequest
from bot.check.built import build_check
from bot.check.change import open_change
from bot.check.plan import CheckOptions
from bot.check.rebuild import build_problems
from bot.check.run import predict_check
from bot.git.repository import open_repository
from bot.model.spec import BuildNote
from tests.check.tiny import DOCUMENTS, TOOL, Bench

HEAD = BuildNote("head", "a.spec", "x86_64", "head-failed", "no sources")
BASE = replace(HEAD, side="base", outcome="base-failed")


def test_two_sides_that_fail_alike_are_one_sentence() -> None:
    (problem,) = build_problems([BASE, HEAD])
    assert problem.startswith("a.spec (base and head, x86_64): Neither builds")


def test_two_sides_that_fail_otherwise_are_two_sentences() -> None:
    problems = build_problems([replace(BASE, message="no gcc"), HEAD])
    assert [text.split(",")[0] for text in problems] == ["a.spec (base", "a.spec (head"]
    assert "This change does not build" in problems[1]


def test_a_build_that_gave_packages_is_no_problem() -> None:
    assert build_problems([replace(HEAD, outcome="cached"), replace(BASE, outcome="built")]) == []


OF_DOCUMENT = "https://document.example/{name}/{file}/{hashtype}/{hash}/{file}"
OF_FILE = "https://file.example/{name}/{file}/{hashtype}/{hash}/{file}"


class AskedBuilder:
    """Builds nothing, and has the lookaside caches that it was given."""

    name = "fake"

    def __init__(self) -> None:
        self.lookasides: set[str | None] = set()

    def build(self, request: BuildRequest) -> BuildFailed:
        self.lookasides.add(request.lookaside)
        return BuildFailed("surroundings", "not here")


@pytest.mark.parametrize(
    ("document", "file", "taken"),
    [(OF_DOCUMENT, None, OF_DOCUMENT), (OF_DOCUMENT, OF_FILE, OF_FILE), (None, None, None)],
)
def test_a_build_takes_the_repositorys_own_lookaside_before_the_documents(
    bench: Bench, document: str | None, file: str | None, taken: str | None
) -> None:
    if document is not None:
        bench.document("repo", f"{DOCUMENTS['repo']}    lookaside: {document}\n")
    if file is not None:
        bench.commit({".minimize.yaml": f"lookaside: {file}\n"})
    bench.commit(
        {"tool.spec": TOOL.replace("Requires: base\n", "Requires: base\nRequires: perl\n")}
    )
    builder = AskedBuilder()
    with open_change(
        open_repository(bench.root / "git"), "HEAD~1", "HEAD", branch="main"
    ) as change:
        predicted = predict_check(
            change, CheckOptions(arches=("x86_64",)), bench.configuration(), bench.pools()
        )
        build_check(change, predicted, builder, "x86_64")
    assert builder.lookasides == {taken}
