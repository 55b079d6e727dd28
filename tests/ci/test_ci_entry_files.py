"""The files by which CI systems run the check are YAML, and call it with options that it has."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

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
