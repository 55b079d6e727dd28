"""Evaluates a spec file in the sandbox, for several architectures in one run.

A spec file is a program (`%(shell)`, Lua). rpm's own library runs it inside the sandbox; its answer
is treated as text that the spec's author may have written.
"""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from bot.errors import ChangeError
from bot.limited.call import CallLimits, call_limited, prepare
from bot.limited.forker import UnreadableError
from bot.limits import MEBIBYTE, SPEC, SPEC_ANSWER
from bot.model.spec import SpecEvaluation, SpecFailure
from bot.sandbox.run import result_file, run_sandboxed
from bot.sandbox.values import Bind, Limit, Limits, SandboxError
from bot.spec.inside import markers
from bot.spec.macros import MacroSource
from bot.spec.missing import may_lack_macro
from bot.spec.release import placeholder_definitions
from bot.spec.results import EVALUATED, Evaluated, read_answers
from bot.spec.rpm_version import (
    DistributionRpm,
    host_refuses,
    host_rpm,
    may_be_taken,
    patch_definitions,
    without_unpacking,
)
from bot.spec.setting import SpecSetting
from bot.spec.tree import SpecTree, checkout_paths, copy_spec_tree
from bot.telemetry.measures import timed
from bot.temporary import temporary_directory

LOG = logging.getLogger(__name__)
SPEC_LIMITS = Limits(
    seconds=20.0,
    memory=512 * MEBIBYTE,
    processes=64,
    output=4 * MEBIBYTE,
    file_size=64 * MEBIBYTE,
    tmp=64 * MEBIBYTE,
)
_SHELL = Path("/bin/sh")
_BASH = Path("/usr/bin/bash")
_ARCH = re.compile(r"^[A-Za-z0-9_]+$")
# Messages of dash and bash if the kernel refuses a new process. A fork bomb whose shell gives up
# ends before the limit is seen, and its macro would only seem empty.
_CANNOT_FORK = re.compile(rb"Cannot fork|fork: .*Resource temporarily unavailable")

SpecResult = SpecEvaluation | SpecFailure
PLAIN = SpecSetting()
# Macro packages bring packages that bring macros; Fedora's go, python and rust end in two rounds.
MOST_ROUNDS = 5
_MOST_GAPS = 5


@timed("evaluate")
def evaluate_spec(
    checkout: Path,
    spec_path: str,
    arches: Sequence[str],
    *,
    setting: SpecSetting = PLAIN,
    definitions: Mapping[str, str] | None = None,
    limits: Limits = SPEC_LIMITS,
) -> dict[str, SpecResult]:
    """Evaluate the spec file at `spec_path` in `checkout` for each of `arches`.

    `setting` has the distribution's macros and definitions (`setting_of`); `definitions` are added
    to them by name, also with parameters (`autorelease(e:s:pb:n)`, `release_definitions`). All
    architectures together are one sandbox run within `limits`. If the spec's BuildRequires bring
    packages with more macros, it is evaluated again with those, in at most five rounds. If
    `setting.rpm` has a root, that rpm evaluates, with the root read-only in the same sandbox; else
    the host's does, and a refusal that the distribution's version may not share has the cause
    `surroundings`. A spec file that rpm refuses or that runs into a limit, and a sandbox that does
    not work (cause `surroundings`), give a SpecFailure, not an exception. Raises ChangeError if
    there is no such file in the repository, ValueError for what is not an architecture.
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
    if source.stat().st_size > SPEC:
        message = f"The spec file has more than {_mebibytes(SPEC)}, and is not read."
        return {arch: SpecFailure(str(relative), arch, "limit", message) for arch in arches}
    LOG.debug("Evaluating %s", spec_path)
    prepare()
    known_definitions = {**setting.definitions, **(definitions or {})}
    release, notes = placeholder_definitions(source, known_definitions)
    with temporary_directory("spec") as work:
        tree = copy_spec_tree(checkout, relative, work / "checkout")
        subject = _Subject(
            work,
            tree,
            relative,
            {
                "definitions": {**_patches(source, setting.rpm), **release, **known_definitions},
                "defaults": dict(setting.defaults),
                "versions": dict(setting.versions),
                "paths": _paths(str(relative.parent), tree.sources),
            },
            (*setting.notes, *notes),
            setting.rpm,
            limits,
        )
        macros = setting.macros
        evaluated = _round(subject, macros, arches)
        gaps: Mapping[str, str] = {}
        for _ in range(MOST_ROUNDS - 1 if setting.finder is not None else 0):
            further = _more_macros(setting, evaluated)
            gaps = further.gaps
            if further.root is None or further.packages == macros.packages:
                break
            macros = further
            evaluated = _round(subject, macros, arches)
        evaluated |= _without_unpacking(subject, macros, evaluated)
        text = tree.read(str(relative)) or ""
        return {arch: _with_gaps(judged, gaps, text) for arch, judged in evaluated.items()}


@dataclass(frozen=True, slots=True)
class _Subject:
    """A spec file whose tree was copied below `work`, and how it is evaluated.

    `request` is the part of the evaluator's request that is the same in every round.
    """

    work: Path
    tree: SpecTree
    spec: Path
    request: Mapping[str, Any]
    notes: tuple[str, ...]
    rpm: DistributionRpm
    limits: Limits


@dataclass(frozen=True, slots=True)
class _Judged(Evaluated):
    """A result; `only_host` is the message of a refusal that may be the host's rpm's alone."""

    only_host: str | None = None


def _more_macros(setting: SpecSetting, evaluated: Mapping[str, _Judged]) -> MacroSource:
    """The macros together with those that the BuildRequires bring."""
    assert setting.finder is not None
    return setting.finder.with_requirements(
        {arch: judged.requirements for arch, judged in evaluated.items()}
    )


def _with_gaps(judged: _Judged, gaps: Mapping[str, str], spec: str) -> SpecResult:
    """The result; if a macro seems to be missing, with the BuildRequires that may define it.

    `spec` is the spec file's text: a refusal is a missing macro's only where the line has one.
    """
    result = judged.result
    named = [gap for gap in gaps if gap in judged.requirements][:_MOST_GAPS]
    text = (
        "BuildRequires that could not be installed, and whose macros are missing: "
        + ", ".join(f"{gap} ({gaps[gap]})" for gap in named)
        + "."
    )
    if not named:
        return result
    if isinstance(result, SpecFailure) and (
        result.cause == "unexpanded" or (result.cause == "invalid" and may_lack_macro(result, spec))
    ):
        return dataclasses.replace(result, message=f"{result.message.rstrip('.')}.\n{text}")
    if isinstance(result, SpecEvaluation) and result.unexpanded:
        return dataclasses.replace(result, notes=(*result.notes, text))
    return result


def _round(subject: _Subject, macros: MacroSource, arches: Sequence[str]) -> dict[str, _Judged]:
    """Evaluate for all architectures; those that share a tree of macros in one sandbox run."""
    roots: dict[Path | None, list[str]] = {}
    for arch in arches:
        roots.setdefault(macros.root_of(arch), []).append(arch)
    evaluated: dict[str, _Judged] = {}
    for root, these in roots.items():
        evaluated.update(_run(subject, root, these))
    return {arch: evaluated[arch] for arch in arches}


def _without_unpacking(
    subject: _Subject, macros: MacroSource, evaluated: Mapping[str, _Judged]
) -> dict[str, _Judged]:
    """The evaluation by the host's rpm without the lines that unpack and patch, for the
    architectures on which only the host's rpm may refuse the spec file and does not refuse it
    then."""
    refused = {
        arch: judged.only_host for arch, judged in evaluated.items() if judged.only_host is not None
    }
    path = subject.tree.root / subject.spec
    text = path.read_text(encoding="utf-8", errors="surrogateescape")
    shorter = without_unpacking(text) if refused else text
    if shorter == text:
        return {}
    path.write_text(shorter, encoding="utf-8", errors="surrogateescape")
    accepted: dict[str, _Judged] = {}
    for arch, judged in _round(subject, macros, tuple(refused)).items():
        if isinstance(judged.result, SpecEvaluation):
            note = (
                f"{subject.spec}: evaluated without its lines that unpack and patch, which this"
                f" host's rpm refuses: {refused[arch]}."
            )
            result = dataclasses.replace(judged.result, notes=(*judged.result.notes, note))
            accepted[arch] = dataclasses.replace(judged, result=result)
    return accepted


def _run(subject: _Subject, root: Path | None, arches: Sequence[str]) -> dict[str, _Judged]:
    relative, work, own = subject.spec, subject.work, subject.rpm
    request = {
        "spec": f"/checkout/{relative}",
        "arches": list(arches),
        # A distribution's own rpm finds its macros by itself.
        "distribution": root is not None and own.root is None,
        "most": SPEC_ANSWER,
        **subject.request,
    }
    _put_programs(work / "minimize", request)
    path = str(relative)
    with result_file(len(arches) * (SPEC_ANSWER + 1)) as answers:
        try:
            finished = run_sandboxed(
                [own.python, "-I", "/minimize/evaluator.py"],
                binds=_binds(work, root, own),
                limits=subject.limits,
                env={"RPM_CONFIGDIR": "/usr/lib/rpm"},
                chdir=os.path.normpath(f"/checkout/{relative.parent}"),
                root=own.root,
                result=answers,
            )
        except SandboxError as error:
            return _all(arches, path, "surroundings", str(error))
        limit = finished.limit or ("processes" if _CANNOT_FORK.search(finished.stderr) else None)
        if limit is not None:
            return _all(arches, path, "limit", _limit_message(limit, subject.limits))
        try:
            text = call_limited(
                read_answers,
                path,
                arches,
                subject.tree,
                finished.stderr,
                descriptors=[answers],
                limits=CallLimits(answer=len(arches) * SPEC_ANSWER),
            )
        except UnreadableError as error:
            message = f"The answer of evaluating the spec file is not read: {error}."
            return _all(arches, path, "limit", message)
    results = EVALUATED.validate_json(text)
    if results is None:
        return {arch: _run(subject, root, [arch])[arch] for arch in arches}
    return {arch: _with_blame(subject, results[arch]) for arch in arches}


def _with_blame(subject: _Subject, evaluated: Evaluated) -> _Judged:
    """The result with the notes of the setting; a refusal that may be the host's rpm's alone gets
    the cause `surroundings`."""
    result = evaluated.result
    if isinstance(result, SpecEvaluation):
        if subject.notes:
            result = dataclasses.replace(result, notes=(*subject.notes, *result.notes))
        return _Judged(result, evaluated.requirements)
    own, host = subject.rpm, host_rpm()
    if (
        result.cause != "invalid"
        or own.root is not None
        or host is None
        or own.version is None
        or not may_be_taken(result.message, host, own.version)
    ):
        return _Judged(result, evaluated.requirements)
    message = host_refuses(result.message, host, own.version, own.problem)
    refused = dataclasses.replace(result, cause="surroundings", message=message)
    return _Judged(refused, evaluated.requirements, result.message.rstrip("."))


def _paths(specs: str, sources: str) -> dict[str, str]:
    return {
        "_topdir": "/tmp/rpmbuild",
        **checkout_paths(specs, sources),
        "_builddir": "/tmp/rpmbuild/BUILD",
        "_buildrootdir": "/tmp/rpmbuild/BUILDROOT",
        "_dbpath": "/tmp/rpmbuild/db",
        "_tmppath": "/tmp",
    }


def _patches(source: Path, own: DistributionRpm) -> dict[str, str]:
    if own.root is not None:
        return {}
    return patch_definitions(source.read_bytes(), host_rpm(), own.version)


def _put_programs(directory: Path, request: Mapping[str, Any]) -> None:
    """Write the program that runs inside and its request to one directory: a read-only root has no
    place for files."""
    marks = directory / "bot/spec/inside"
    marks.mkdir(parents=True, exist_ok=True)
    (directory / "request.json").write_text(json.dumps(request))
    shutil.copyfile(evaluator_path(), directory / "evaluator.py")
    shutil.copyfile(markers.__file__, marks / "markers.py")
    for folder, _, files in os.walk(directory):
        Path(folder).chmod(0o755)
        for name in files:
            Path(folder, name).chmod(0o644)


def _binds(work: Path, root: Path | None, own: DistributionRpm) -> list[Bind]:
    binds = [Bind(work / "checkout", "/checkout"), Bind(work / "minimize", "/minimize")]
    if own.root is None:
        binds += _bash_as_shell()
    if root is not None:
        binds.append(Bind(root / "usr/lib/rpm", "/usr/lib/rpm"))
        binds += [
            # The tree's files may be the host's: these must suit the library that reads them.
            Bind(own.root / path, f"/{path}")
            for path in ("usr/lib/rpm/rpmrc", "usr/lib/rpm/macros")
            if own.root is not None and (own.root / path).is_file()
        ]
        if (root / "etc/rpm").is_dir():
            binds.append(Bind(root / "etc/rpm", "/etc/rpm"))
    return binds


def _bash_as_shell() -> list[Bind]:
    """Bind Bash as /bin/sh, for which the `%(...)` of RPM distributions is written.

    Debian's /bin/sh is dash, which refuses `${name,,}`. Empty if the host has no bash.
    """
    shell = _SHELL.resolve()
    if not _BASH.is_file() or shell == _BASH.resolve():
        return []
    return [Bind(_BASH, str(shell))]


def evaluator_path() -> Path:
    """The path of the program that runs inside."""
    return Path(markers.__file__).with_name("evaluator.py")


def _all(
    arches: Sequence[str],
    path: str,
    cause: Literal["invalid", "limit", "surroundings"],
    message: str,
) -> dict[str, _Judged]:
    return {arch: _Judged(SpecFailure(path, arch, cause, message)) for arch in arches}


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
