"""Words that were replaced do not come back: each with the noun that stands for it now."""

import ast
import io
import re
import tokenize
from functools import cache
from pathlib import Path

import pytest

BOT = Path(__file__).parents[1] / "bot"
MODULES = sorted(BOT.rglob("*.py"))

# Names of modules, classes, functions and values.
REPLACED = {
    "Stage": "OverlayPool",
    "ChainFinder": "PackageGraph",
    "Drop": "Requirement",
    "Obstacle": "UnsolvableCause",
    "split_evr": "parse_evr",
    "scene": "active overlays",
    "smallest_cut": "minimum_cut",
    "Patience": "RetryPolicy",
    "RoomChecker": "LocalChecker",
    "LastWord": "CommentWriter",
    "Landed": "MergedChanges",
    "lonely": "used by one image",
    "dear": "expensive",
    "promises": "objectives",
    "aims": "objectives",
    "harm": "violates",
    "harms": "violates",
    "standings": "statuses",
    "drift_standings": "drift_states",
    "standing_of": "combined_status",
    "Stand": "CombinedStatus",
    "KeptFile": "BranchFile",
    "told_with": "first_reported_run",
    "told_since": "reported_since",
    "LedgerRecorder": "ObjectiveWriter",
    "AcrossImages": "FleetQueries",
    "Attention": "ObjectiveQueries",
    "patience": "retry_policy",
    "harmed": "violated",
    "fold": "architecture_rows",
    "remainder": "other_effects",
    "told_causes": "essential_causes",
    "kept_warm": "cache_warming",
    "standing_rows": "status_rows",
    "standings_table": "status_table",
    "culprit": "blamed_change",
    "in_order": "ordered_architectures",
}
REPLACED_MODULES = {
    "stage": "overlay_pool",
    "cut": "minimum_cut",
    "sums": "totals",
    "newpool": "the module that it serves",
    "matching": "the module that it serves",
    "aims": "objectives",
    "promises": "objectives",
    "effect": "grouping",
    "background": "evidence",
    "remainder": "other_effects",
    "fold": "grouping",
    "cells": "table_cells",
    "turning": "solvability",
    "stepping": "steps",
    "standing": "status",
    "now": "live",
    "attention": "objective_queries",
    "ledger": "objective_writer",
    "across": "fleet_queries",
    "presence": "rows",
    "landed": "merged",
    "last_word": "comment_writer",
    "answers": "responses",
    "questions": "parameters",
    "warm": "archive",
    "shapes": "responses",
    "schemas": "responses",
}
# Words that name no value and explain nothing: in rooms that are free of them.
VAGUE = {"told": "reported", "said": "stated", "kept": "stored", "dear": "expensive"}
FREE_OF_VAGUE_WORDS = ("build", "check", "distro", "git", "image", "settings", "spec")
# Names that say how a value came to be and not which value it is.
NAMELESS = {"one", "found", "made", "told", "said", "asked", "got", "ours", "came", "seen"}
NAMELESS |= {"shown", "kept", "taken", "chosen", "tried", "needed"}
NAMED_ROOMS = (
    *("build", "chat", "check", "ci", "cli", "closure", "demo", "distro", "forge", "image"),
    *("report", "requests", "sandbox", "spec"),
)
# `chat` has questions and answers, which people ask and get.
ALLOWED_MODULES = {"bot/chat/answers.py", "bot/chat/questions.py", "bot/report/answers.py"}


@cache
def names(path: Path) -> frozenset[str]:
    """The identifiers of a module."""
    tokens = tokenize.generate_tokens(io.StringIO(path.read_text()).readline)
    return frozenset(t.string for t in tokens if t.type == tokenize.NAME)


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(BOT)))
def test_names_are_the_fields_nouns(path: Path) -> None:
    found = {name.lstrip("_") for name in names(path)} & REPLACED.keys()
    assert {name: REPLACED[name] for name in found} == {}


@pytest.mark.parametrize("room", FREE_OF_VAGUE_WORDS)
def test_texts_and_names_say_what_is_meant(room: str) -> None:
    found = [
        f"{path.relative_to(BOT)}:{number}: {line.strip()} ({VAGUE[word]})"
        for path in sorted((BOT / room).rglob("*.py"))
        for number, line in enumerate(path.read_text().splitlines(), 1)
        for word in re.findall(r"(?<![A-Za-z])[a-z]+(?![A-Za-z])", line)
        if word in VAGUE
    ]
    assert found == []


def test_modules_have_the_fields_nouns() -> None:
    demo = BOT / "demo"
    found = {
        str(p.relative_to(BOT.parent)): REPLACED_MODULES[p.stem]
        for p in MODULES
        if p.stem in REPLACED_MODULES and demo not in p.parents
    }
    assert {p: word for p, word in found.items() if p not in ALLOWED_MODULES} == {}


@pytest.mark.parametrize("room", ["cli", "demo", "engine", "forge", "store"])
def test_names_of_values_are_no_verbs(room: str) -> None:
    found = {
        f"{path.name}: {name}"
        for path in (BOT / room).rglob("*.py")
        for name in names(path)
        if name.strip("_") in {"told", "said", "asked", "kept", "tell", "say", "news"}
        # `say` of the sentences' templates is a module's one name for all of them.
        and not (
            name == "say"
            and ("import say" in path.read_text() or "say = Sentences" in path.read_text())
        )
    }
    assert found == set()


@pytest.mark.parametrize("room", NAMED_ROOMS)
def test_values_are_named_for_what_they_are(room: str) -> None:
    named = [
        f"{path.relative_to(BOT)}:{node.lineno}: {name}"
        for path in sorted((BOT / room).rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.arg)
        or (isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store))
        if (name := node.arg if isinstance(node, ast.arg) else node.id) in NAMELESS
    ]
    assert named == []


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(BOT)))
def test_docstrings_begin_with_a_verb_or_a_noun(path: Path) -> None:
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    found = [
        text.splitlines()[0]
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, kinds) and (text := ast.get_docstring(node))
    ]
    assert [text for text in found if text.startswith(("What ", "Whether "))] == []
