"""A third forge is its module and its row in the table: nothing else names forges one by one."""

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from bot.forge.registry import open_forges
from bot.settings.forges import FORGE_TYPES, ForgeSettings, ForgeType
from bot.settings.reading import SettingsError, load_settings

SETTINGS = """\
forges:
  ours: {type: forgejo, token: {env: T}, webhook_secrets: [{env: S}]}
  own:
    type: forgejo
    api_url: https://f.example/api/v1
    token: {env: T}
    webhook_secrets: [{env: S}]
"""
ROW = ForgeType("a_module_of_forgejo", "https://codeberg.org", "https://codeberg.org", "/api/v1")


class Forgejo:
    def __init__(self, name: str, settings: ForgeSettings) -> None:
        self.name, self.settings = name, settings


@pytest.fixture
def third(monkeypatch: pytest.MonkeyPatch) -> None:
    module: Any = ModuleType("a_module_of_forgejo")
    module.open_forge = Forgejo
    monkeypatch.setitem(sys.modules, "a_module_of_forgejo", module)
    monkeypatch.setitem(FORGE_TYPES, "forgejo", ROW)


def test_its_settings_are_read_and_it_is_opened(tmp_path: Path, third: None) -> None:
    (tmp_path / "bot.yaml").write_text(SETTINGS)
    settings = load_settings(tmp_path / "bot.yaml")
    assert settings.forges["ours"].clone_url == "https://codeberg.org"
    assert settings.forges["own"].clone_url == "https://f.example"
    opened: Any = open_forges(settings)
    assert {name: type(forge) for name, forge in opened.items()} == dict.fromkeys(
        ("ours", "own"), Forgejo
    )


def test_what_is_githubs_alone_is_not_its(tmp_path: Path, third: None) -> None:
    (tmp_path / "bot.yaml").write_text(
        SETTINGS.replace("type: forgejo,", "type: forgejo, check_runs: always,", 1)
    )
    with pytest.raises(SettingsError, match="not forgejo's; it takes a token"):
        load_settings(tmp_path / "bot.yaml")


def test_without_its_row_there_is_none(tmp_path: Path) -> None:
    (tmp_path / "bot.yaml").write_text(SETTINGS)
    with pytest.raises(
        SettingsError, match="no forge of this type is built in; there is: github, gitlab"
    ):
        load_settings(tmp_path / "bot.yaml")
