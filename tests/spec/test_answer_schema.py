"""The schema of the evaluator's answer: of what characters, numbers and lengths it may be."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from bot import limits
from bot.model.spec import SpecEvaluation, SpecFailure
from bot.sandbox.run import result_file
from bot.spec.results import EVALUATED, read_answers
from bot.spec.tree import SpecTree

PACKAGE: dict[str, Any] = {
    "name": "a",
    "epoch": 1,
    "version": "2~rc1",
    "release": "3%{dist}",
    "arch": "noarch",
    "files": "",
    "dependencies": [["requires", "perl(A) with perl", 8, "1:2-3"]],
}
PARSED: dict[str, Any] = {
    "packages": [PACKAGE],
    "source": "a",
    "buildrequires": [["requires", "gcc", 0, ""]],
    "exclusivearch": ["x86_64"],
    "excludearch": [],
    "conditions": [],
    "sources": [["https://example.com/a.tar.gz", 0, 1]],
    "macros": [],
    "parsed": "Name: a",
    "marked": None,
}


@pytest.fixture
def tree(tmp_path: Path) -> SpecTree:
    return SpecTree(tmp_path, ".")


def read(tree: SpecTree, text: bytes, messages: bytes = b"", arches: tuple[str, ...] = ("x86_64",)):
    with result_file(max(len(text), 1)) as descriptor:
        os.pwrite(descriptor, text, 0)
        results = EVALUATED.validate_json(
            read_answers("a.spec", arches, tree, messages, descriptor)
        )
    assert results is not None
    return [results[arch].result for arch in arches]


def with_package(**fields: object) -> dict[str, Any]:
    return {**PARSED, "packages": [{**PACKAGE, **fields}]}


def test_an_answer_that_fits_is_an_evaluation(tree):
    (result,) = read(tree, json.dumps(PARSED).encode())
    assert isinstance(result, SpecEvaluation)
    assert result.evr == (1, "2~rc1", "3%{dist}")


@pytest.mark.parametrize(
    ("answer", "place"),
    [
        (with_package(name="a b"), "name"),
        (with_package(name="a\n"), "name"),
        (with_package(name="**a**"), "name"),
        (with_package(name="a" * (limits.NAME + 1)), "name"),
        (with_package(version="1-2"), None),
        (with_package(version="1 2"), "version"),
        (with_package(release=""), "release"),
        (with_package(arch="../x"), "arch"),
        (with_package(epoch=-1), "epoch"),
        (with_package(epoch=2**32), "epoch"),
        (with_package(epoch="1"), "epoch"),
        (with_package(files=None), "files"),
        (with_package(more=1), "more"),
        (with_package(dependencies=[["requires", "", 0, ""]]), "dependencies"),
        (with_package(dependencies=[["requires", "a\u202eb", 0, ""]]), "dependencies"),
        (with_package(dependencies=[["requires", "a\x1b[2J", 0, ""]]), "dependencies"),
        (with_package(dependencies=[["requires", "a" * 5000, 0, ""]]), "dependencies"),
        (with_package(dependencies=[["needs", "a", 0, ""]]), "dependencies"),
        (with_package(dependencies=[["requires", "a", 2**32, ""]]), "dependencies"),
        (with_package(dependencies=[["requires", "a", 8, "1\n"]]), "dependencies"),
        ({**PARSED, "packages": []}, "packages"),
        ({**PARSED, "source": "a/b"}, "source"),
        ({**PARSED, "conditions": [["if", -1, "x"]]}, "conditions"),
        ({"error": "x" * 9000}, "packages"),
    ],
)
def test_what_rpm_would_not_take_is_refused_with_its_place(tree, answer, place):
    (result,) = read(tree, json.dumps(answer).encode())
    if place is None:
        assert isinstance(result, SpecEvaluation)
        return
    assert isinstance(result, SpecFailure)
    assert "cannot be read" in result.message
    assert place in result.message


def test_more_dependencies_than_their_limit_are_refused(tree):
    half = [["requires", "a", 0, ""]] * (limits.SPEC_DEPENDENCIES // 2 + 1)
    packages = [{**PACKAGE, "dependencies": half}, {**PACKAGE, "name": "b", "dependencies": half}]
    (result,) = read(tree, json.dumps({**PARSED, "packages": packages}).encode())
    assert isinstance(result, SpecFailure)
    assert (result.cause, str(limits.SPEC_DEPENDENCIES) in result.message) == ("limit", True)


def test_each_architecture_has_its_line(tree):
    lines = [json.dumps(PARSED), "", '{"too_long": true}', '{"error": "error: line 2: x"}']
    text = "\n".join(lines).encode() + b"\n"
    results = read(tree, text, b"", ("x86_64", "aarch64", "ppc64le", "s390x"))
    assert isinstance(results[0], SpecEvaluation)
    causes = [
        (failure.cause, failure.message)
        for failure in results[1:]
        if isinstance(failure, SpecFailure)
    ]
    assert causes == [
        ("invalid", "Evaluating the spec file ended without a result."),
        ("limit", "Evaluating the spec file gave more than 4 MiB of packages and text."),
        ("invalid", "line 2: x"),
    ]


def test_bytes_that_are_no_text_are_replaced(tree):
    text = json.dumps(with_package(files="/usr/bin/Q")).encode().replace(b"Q", b"\xff")
    (result,) = read(tree, text)
    assert isinstance(result, SpecEvaluation)
    assert result.packages[0].files == ("/usr/bin/\ufffd",)
