"""The files by which CI systems run the check are YAML, and call it with options that it has."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

import pytest
import yaml

from bot.build.buildroot import RootKind
from bot.ci.systems import SYSTEMS
from bot.cli.check import check

ROOT = Path(__file__).parents[2]
FILES = (
    ".github/action.yml",
    ".pre-commit-hooks.yaml",
    "deploy/ci/gitlab.yml",
    "deploy/ci/minimize.fmf",
)


@pytest.mark.parametrize("name", FILES)
def test_it_calls_the_check_with_options_that_there_are(name: str) -> None:
    text = (ROOT / name).read_text()
    assert list(yaml.safe_load_all(text))
    known = {option for parameter in check.params for option in parameter.opts}
    calls = re.findall(r'minimize"? check (.*)', text)
    assert calls
    for call in calls:
        assert set(re.findall(r"--[a-z-]+", call)) <= known
        system = re.search(r"--ci ([a-z]+)", call)
        assert system is None or system[1] in SYSTEMS


def test_the_option_names_every_system() -> None:
    (option,) = [p for p in check.params if p.name == "ci"]
    assert set(getattr(option.type, "choices", ())) == {"auto", *SYSTEMS}


def test_ci_keeps_no_roots_of_many_users() -> None:
    roots = set(get_args(RootKind))
    (kept,) = [
        step["with"]["path"].split()
        for step in yaml.safe_load((ROOT / ".github/action.yml").read_text())["runs"]["steps"]
        if "actions/cache" in step.get("uses", "")
    ]
    assert {one for one in kept if one.startswith("!")} == {
        f"!~/.cache/minimize/{r}" for r in roots
    }
    # Its parent, named whole, would bring them along.
    assert "~/.cache/minimize/*" in kept
    *_, job = yaml.safe_load_all((ROOT / "deploy/ci/gitlab.yml").read_text())
    named = {Path(one).name for one in job["minimize"]["cache"]["paths"]}
    assert {"metadata", "solv", "packages", "headers", "fragments"} <= named
    assert not named & roots
