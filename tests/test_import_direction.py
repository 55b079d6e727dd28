"""Imports run one way, from `cli` and `web` inwards, and no module is long."""

import ast
from pathlib import Path

import pytest

BOT = Path(__file__).parents[1] / "bot"

# From the outermost to the innermost; rooms of one rank do not import each other.
RANKS = (
    ("__main__",),
    ("cli",),
    ("demo",),
    ("web",),
    ("engine",),
    ("objectives", "chat", "ci"),
    ("forge",),
    ("report",),
    ("check",),
    ("advice",),
    ("build",),
    ("spec",),
    ("surface",),
    ("image",),
    ("closure",),
    ("requests",),
    ("distro",),
    ("store", "settings", "sandbox", "git"),
    ("locks", "yamltext", "model", "telemetry"),
    ("limited", "outbound"),
    ("errors", "limits", "stacks", "temporary", "__init__"),
)
RANK = {room: rank for rank, rooms in enumerate(RANKS) for room in rooms}


def room_of(path: Path) -> str:
    first = path.relative_to(BOT).parts[0]
    return first.removesuffix(".py")


def imported_rooms(path: Path) -> set[str]:
    rooms: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            parts = node.module.split(".")
            if parts[0] != "bot":
                continue
            if len(parts) > 1:
                rooms.add(parts[1])
            else:
                rooms.update(alias.name for alias in node.names if alias.name in RANK)
        elif isinstance(node, ast.Import):
            for alias in node.names:
                parts = alias.name.split(".")
                if parts[0] == "bot" and len(parts) > 1:
                    rooms.add(parts[1])
    return rooms


MODULES = sorted(BOT.rglob("*.py"))


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(BOT)))
def test_a_module_imports_only_its_own_room_and_rooms_further_in(path: Path) -> None:
    own = room_of(path)
    for room in imported_rooms(path) - {own}:
        assert room in RANK, f"bot/{room} has no rank: add it to RANKS"
        assert RANK[room] > RANK[own], f"{path.relative_to(BOT)} imports outwards: bot.{room}"


def test_no_module_outgrows_one_reading() -> None:
    long = {str(p.relative_to(BOT)): n for p in MODULES if (n := p.read_text().count("\n")) > 400}
    assert long == {}
