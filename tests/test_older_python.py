"""The oldest Python that pyproject.toml allows runs the bot; 3.6 runs what is inside sandboxes."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from bot.spec import inside

HOME = Path(__file__).parents[1]
OLDEST = tomllib.loads((HOME / "pyproject.toml").read_text())["project"]["requires-python"]


def newer_than_oldest(path: Path) -> str:
    """What vermin finds in a file or folder that the oldest Python does not have."""
    pytest.importorskip("vermin", reason="vermin is not installed: ./deploy/test installs it")
    vermin = Path(sys.executable).with_name("vermin")
    command = [str(vermin), "--no-tips", "--violations", f"-t={OLDEST.removeprefix('>=')}-"]
    done = subprocess.run([*command, str(path)], capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stdout + done.stderr


def test_nothing_in_the_bot_is_newer_than_its_oldest_python() -> None:
    assert newer_than_oldest(HOME / "bot") == ""


def test_what_is_newer_is_found(tmp_path: Path) -> None:
    (tmp_path / "newer.py").write_text("from typing import override\n")
    assert "3.12" in newer_than_oldest(tmp_path)


def test_typed_dictionaries_are_those_that_pydantic_reads_on_every_python() -> None:
    """Before 3.12 it refuses those of `typing`, on import, which vermin cannot know."""
    for path in sorted((HOME / "bot").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module == "typing":
                assert "TypedDict" not in {one.name for one in node.names}, path


def test_archives_are_unpacked_without_what_python_3_11_2_lacks() -> None:
    """`filter` of tarfile came with 3.11.4: vermin knows no such numbers, Debian 12 has 3.11.2."""
    for path in sorted((HOME / "bot").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                named = {keyword.arg for keyword in node.keywords}
                assert not (node.func.attr in ("extract", "extractall") and "filter" in named), path


PROGRAMS = sorted(Path(inside.__file__).parent.glob("[a-z]*.py"))


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.name)
def test_it_runs_with_python_3_6(program):
    pytest.importorskip("vermin", reason="vermin is not installed: ./deploy/test installs it")
    vermin = Path(sys.executable).with_name("vermin")
    command = [str(vermin), "--no-tips", "-t=3.6-", str(program)]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stdout


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.name)
def test_its_functions_have_annotations_that_python_3_6_can_evaluate(program):
    nodes = list(ast.walk(ast.parse(program.read_text())))
    annotations = [node.annotation for node in nodes if isinstance(node, ast.arg)]
    annotations += [node.returns for node in nodes if isinstance(node, ast.FunctionDef)]
    plain = (ast.Constant, ast.Name, ast.Attribute)
    assert [
        ast.unparse(annotation)
        for annotation in annotations
        if annotation and not isinstance(annotation, plain)
    ] == []
