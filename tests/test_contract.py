"""The contract (bot/CONTRACT.md) names what there is: commands, fields, routes, chat commands."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pytest
from pydantic import TypeAdapter

from bot import __version__
from bot.chat.commands import commands_table
from bot.cli import cli
from bot.model.advice import Advice
from bot.model.closure import Impact, WhatIf, Why
from bot.store.history.values import ClosureFacts
from bot.web.openapi import describe

CONTRACT = (Path(__file__).parents[1] / "bot/CONTRACT.md").read_text()


def section(number: str) -> str:
    """The text of a section, by its number: `3`, `4.2`."""
    level = "##" if "." not in number else "###"
    found = re.search(
        rf"^{level} {re.escape(number)}\.? .*?(?=^#{{2,{len(level)}}} |\Z)", CONTRACT, re.M | re.S
    )
    assert found is not None, f"the contract has no section {number}"
    return found.group()


def commands() -> list[str]:
    return re.findall(r"^\| `minimize ([^`]+)` \|", section("3"), re.M)


def find_command(words: list[str]) -> click.Command:
    group: click.Command = cli
    for word in words:
        if not isinstance(group, click.Group) or not word.islower():
            break
        command = group.get_command(click.Context(group), word)
        assert command is not None, f"there is no command {word}"
        group = command
    return group


@pytest.mark.parametrize("line", commands())
def test_contract_command_exists_with_its_options(line: str) -> None:
    words = line.split()
    command = find_command(words)
    known = {option for p in command.params for option in p.opts}
    assert {w for w in words if w.startswith("--")} <= known


def test_contract_names_every_command() -> None:
    named = {line.split()[0] for line in commands()}
    assert named == set(cli.list_commands(click.Context(cli)))


def test_contract_chat_table_is_the_one_that_drives_the_parser() -> None:
    assert commands_table() in section("6")


def test_contract_routes_are_described() -> None:
    described = {re.sub(r"\{\w+\}", "{}", path) for path in describe()["paths"]}
    routes = re.findall(r"^\| `GET (/[^`]*)` \|", section("5"), re.M)
    pages = [r for r in routes if not r.startswith(("/health", "/metrics"))]
    assert len(pages) == 7
    for route in pages:
        path = re.sub(r"\{\w+\}", "{}", "/api" + route.rstrip("/"))
        assert path in described or path + "/" in described or path + "/overview" in described, path


def fields_of(schemas: dict[str, Any], name: str) -> set[str]:
    return set(schemas[name]["properties"])


def test_contract_fields_of_a_check_are_in_its_schema() -> None:
    schemas = describe()["components"]["schemas"]
    first = section("4.2").split("\n\n")[1]
    named = set(re.findall(r"`(\w+)`", re.sub(r"\([^)]*\)", "", first)))
    assert named <= fields_of(schemas, "Check")
    assert len(named) > 10


def test_contract_names_every_field_of_a_check() -> None:
    schemas = describe()["components"]["schemas"]
    named = {*re.findall(r"\w+", " ".join(re.findall(r"`([^`]*)`", section("4")))), "run"}
    named |= fields_of(schemas, "ImageKey")
    found, left = set(), ["Check"]
    while left:
        name = left.pop()
        if name not in found | {"CheckAbout"}:
            found.add(name)
            assert fields_of(schemas, name) <= named, name
            left += re.findall(r"/schemas/(\w+)", str(schemas[name]))
    assert {"ImageResult", "UnsolvableCause", "ConfigurationChange"} <= found


def test_contract_names_every_field_of_the_other_results() -> None:
    named = {*re.findall(r"\w+", " ".join(re.findall(r"`([^`]*)`", section("4")))), "key"}
    named |= {"workload", "environment", "repository", "arch"}
    for kind in (Why, WhatIf, Impact, Advice, ClosureFacts):
        schema = TypeAdapter(kind).json_schema(mode="serialization", by_alias=True)
        for one in (schema, *schema.get("$defs", {}).values()):
            assert set(one.get("properties", {})) <= named, (kind.__name__, one["title"])


def test_python_m_bot_is_the_command() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "bot", "--version"], capture_output=True, text=True, check=True
    )
    assert ran.stdout.endswith(f"version {__version__}\n")
