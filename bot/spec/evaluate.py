"""Evaluating a spec file in the sandbox, for several architectures in one run.

A spec file is a program (`%(shell)`, Lua). rpm's own library runs it, inside; what comes back is
text that its author may have written, and is read as such.
"""

from __future__ import annotations

import dataclasses
import json
import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from bot.errors import ChangeError
from bot.model import SpecEvaluation, SpecFailure
from bot.sandbox import Bind, Finished, Limit, Limits, SandboxError, run_sandboxed
from bot.spec.inside import markers
from bot.spec.macros import MacroSource
from bot.spec.release import placeholder_definitions
from bot.spec.results import evaluation_of
from bot.spec.setting import SpecSetting
from bot.spec.tree import copy_spec_tree

MEBIBYTE = 1024 * 1024
# All architectures of a kernel's spec file, with its text twice, are some MiB.
_MOST_RESULT = 64 * MEBIBYTE
SPEC_LIMITS = Limits(
    seconds=20.0,
    memory=512 * MEBIBYTE,
    processes=64,
    output=4 * MEBIBYTE,
    file_size=_MOST_RESULT,
    tmp=64 * MEBIBYTE,
)
_PYTHON = "/usr/bin/python3"
_ARCH = re.compile(r"^[A-Za-z0-9_]+$")
# What dash and bash say when the kernel grants no more processes. A bomb whose shell gives up by
# itself is over before anybody looks, and its macro would only seem empty.
_CANNOT_FORK = re.compile(rb"Cannot fork|fork: .*Resource temporarily unavailable")

SpecResult = SpecEvaluation | SpecFailure
PLAIN = SpecSetting()


def evaluate_spec(
    checkout: Path,
    spec_path: str,
    arches: Sequence[str],
    *,
    setting: SpecSetting = PLAIN,
    definitions: Mapping[str, str] | None = None,
    limits: Limits = SPEC_LIMITS,
) -> dict[str, SpecResult]:
    """What the spec file at `spec_path` in `checkout` describes, for each of `arches`.

    `setting` has the distribution's macros and definitions (`setting_of`); `definitions` come on
    top of them, by name, also with parameters (`autorelease(e:s:pb:n)`, `release_definitions`).
    All architectures together are one sandbox run within `limits`.

    A spec file that rpm refuses, or that runs into a limit, is a SpecFailure, never an exception;
    so is a sandbox that does not work (cause `surroundings`). Raises ChangeError if there is no
    such file.
    """
    relative = Path(os.path.normpath(spec_path))
    if relative.is_absolute() or relative.parts[:1] == ("..",):
        raise ChangeError(f"{spec_path} is outside the repository.")
    source = checkout / relative
    if source.is_symlink() or not source.is_file():
        raise ChangeError(f"There is no spec file {spec_path}.")
    for arch in arches:
        if not _ARCH.match(arch):
            raise ValueError(f"not an architecture: {arch!r}")
    macros = setting.macros
    given = {**setting.definitions, **(definitions or {})}
    release, notes = placeholder_definitions(source, given)
    notes = (*setting.notes, *notes)
    with tempfile.TemporaryDirectory(prefix="minimize-spec-") as temporary:
        work = Path(temporary)
        tree = copy_spec_tree(checkout, relative, work / "checkout")
        request = {
            "spec": f"/checkout/{relative}",
            "arches": list(arches),
            "distribution": macros.root is not None,
            "paths": _paths(str(relative.parent), tree.sources),
            "definitions": {**release, **given},
        }
        (work / "request.json").write_text(json.dumps(request))
        (work / "request.json").chmod(0o644)
        try:
            finished = run_sandboxed(
                [_PYTHON, "-I", "/minimize/evaluator.py"],
                binds=_binds(work, macros),
                limits=limits,
                env={"RPM_CONFIGDIR": "/usr/lib/rpm"},
                chdir=os.path.normpath(f"/checkout/{relative.parent}"),
                result=_MOST_RESULT,
            )
        except SandboxError as error:
            return _all(arches, spec_path, "surroundings", str(error))
        limit = finished.limit or ("processes" if _CANNOT_FORK.search(finished.stderr) else None)
        if limit is not None:
            return _all(arches, spec_path, "limit", _limit_message(limit, limits))
        answer = _answer(finished.result)
        results: dict[str, SpecResult] = {}
        for arch in arches:
            found = answer.get(arch)
            if not isinstance(found, dict):
                message = _silent(finished)
                results[arch] = SpecFailure(spec_path, arch, message[0], message[1])
                continue
            result = evaluation_of(found, str(relative), arch, tree.read)
            if isinstance(result, SpecEvaluation) and (notes or result.notes):
                result = dataclasses.replace(result, notes=(*notes, *result.notes))
            results[arch] = result
        return results


def _paths(specs: str, sources: str) -> dict[str, str]:
    return {
        "_topdir": "/tmp/rpmbuild",
        "_sourcedir": os.path.normpath(f"/checkout/{sources}"),
        "_specdir": os.path.normpath(f"/checkout/{specs}"),
        "_builddir": "/tmp/rpmbuild/BUILD",
        "_buildrootdir": "/tmp/rpmbuild/BUILDROOT",
        "_dbpath": "/tmp/rpmbuild/db",
        "_tmppath": "/tmp",
    }


def _binds(work: Path, macros: MacroSource) -> list[Bind]:
    binds = [
        Bind(work / "checkout", "/checkout"),
        Bind(work / "request.json", "/minimize/request.json"),
        Bind(evaluator_path(), "/minimize/evaluator.py"),
        Bind(Path(markers.__file__), "/minimize/bot/spec/inside/markers.py"),
    ]
    if macros.root is not None:
        binds.append(Bind(macros.root / "usr/lib/rpm", "/usr/lib/rpm"))
        if (macros.root / "etc/rpm").is_dir():
            binds.append(Bind(macros.root / "etc/rpm", "/etc/rpm"))
    return binds


def evaluator_path() -> Path:
    """Where the program that runs inside is."""
    return Path(markers.__file__).with_name("evaluator.py")


def _all(
    arches: Sequence[str],
    path: str,
    cause: Literal["invalid", "limit", "surroundings"],
    message: str,
) -> dict[str, SpecResult]:
    return {arch: SpecFailure(path, arch, cause, message) for arch in arches}


def _limit_message(limit: Limit, limits: Limits) -> str:
    words = {
        "time": f"took longer than {limits.seconds:g} s",
        "memory": f"needed more than {_mebibytes(limits.memory)} of memory",
        "processes": f"started more than {limits.processes} processes at the same time",
        "output": f"wrote more than {_mebibytes(limits.output)} of output",
        "disk": f"filled its {_mebibytes(limits.tmp)} of temporary files",
    }
    return f"Evaluating the spec file {words[limit]}, and was ended."


def _mebibytes(size: int) -> str:
    return f"{size / MEBIBYTE:g} MiB"


def _silent(finished: Finished) -> tuple[Literal["invalid", "surroundings"], str]:
    """What to say where the evaluator left nothing: it never started, or the spec ended it."""
    said = finished.stderr.decode(errors="replace").strip().splitlines()
    if "No module named 'rpm'" in (said[-1] if said else ""):
        return (
            "surroundings",
            f"{_PYTHON} has no rpm module: install python3-rpm (apt-get or dnf).",
        )
    last = f": {said[-1][:300]}" if said else ""
    return "invalid", f"Evaluating the spec file ended without a result{last}."


def _answer(result: bytes) -> dict[str, Any]:
    """The JSON object that the evaluator wrote, or its subject; empty if it is none."""
    try:
        found = json.loads(result)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
