"""The programs that run inside the sandbox, with whatever Python is there."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from bot.spec import inside

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
