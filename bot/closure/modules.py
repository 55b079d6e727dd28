"""Module streams, and which of them are active by libdnf's ModulePackageContainer.

A stream is active if it is enabled or its module's default, and its own requirements of other
modules and of the platform can be met. Every version of an active stream's context is active.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import solv

from bot.closure.solvcache import new_pool, new_solver
from bot.distro.repomd import number_of
from bot.errors import SurroundingsError
from bot.limits import GROUPS

_KINDS = ("modulemd", "modulemd-stream", "modulemd-defaults")


@dataclass(frozen=True, slots=True)
class ModuleStream:
    """One document of a module stream: a version and context of it, for one architecture.

    `requires` are alternatives: mappings of module names to the allowed streams (empty: any; with a
    `-` before it: not that one).
    """

    repository: str
    name: str
    stream: str
    version: int
    context: str
    arch: str
    static_context: bool
    requires: tuple[tuple[tuple[str, tuple[str, ...]], ...], ...]
    artifacts: tuple[str, ...]
    demodularized: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ModuleState:
    """The choice of streams: enabled ones (`name:stream`), defaults by module, and the platform."""

    enabled: frozenset[str]
    defaults: Mapping[str, str]
    platform: str | None


def read_modules(
    files: Iterable[tuple[str, Path | None]],
) -> tuple[tuple[ModuleStream, ...], dict[str, str]]:
    """Return the streams of several repositories (id and modules.yaml), and the default streams.

    Raises SurroundingsError where a file is too large or not YAML.
    """
    streams: list[ModuleStream] = []
    defaults: dict[str, _Default] = {}
    for repository, path in files:
        own: dict[str, _Default] = {}
        for document in _documents(repository, path) if path is not None else ():
            data = document.get("data")
            if not isinstance(data, dict):
                continue
            if document.get("document") == "modulemd-defaults":
                _add_default(own, data)
            else:
                stream = _stream(repository, data)
                if stream is not None:
                    streams.append(stream)
        _merge_defaults(defaults, own)
    streams_by_module = {module: stream for module, (_, stream) in defaults.items() if stream}
    return tuple(streams), streams_by_module


def _documents(repository: str, path: Path) -> Iterable[dict[str, Any]]:
    import yaml

    # All scalars stay texts: a stream may be called 1.10.
    loader = getattr(yaml, "CBaseLoader", yaml.BaseLoader)
    if path.stat().st_size > GROUPS:
        raise SurroundingsError(f"{path.name} has more than {GROUPS} bytes, and is not read.")
    try:
        for document in yaml.load_all(path.read_bytes(), Loader=loader):
            if isinstance(document, dict) and document.get("document") in _KINDS:
                yield document
    except (yaml.YAMLError, RecursionError) as error:
        raise SurroundingsError(
            f"The repository {repository} has a modules.yaml that is not YAML: {error}.",
            "Its mirror may be broken: try another, or later.",
        ) from error


# The time of a default's last change, and its stream; None where it names none.
_Default = tuple[int, str | None]
# No stream has this name.
_DISPUTED = ""


def _add_default(defaults: dict[str, _Default], data: Mapping[str, Any]) -> None:
    """Add a default; of one repository the last document counts (modulemd_module_set_defaults)."""
    module, stream = data.get("module"), data.get("stream")
    if not isinstance(module, str):
        return
    stream = stream if isinstance(stream, str) and stream else None
    defaults[module] = (_number(data.get("modified")), stream)


def _merge_defaults(merged: dict[str, _Default], own: Mapping[str, _Default]) -> None:
    """Merge a repository's defaults into those before it (modulemd_defaults_v1_merge).

    The newer one wins, unless it names no stream. If two of the same age disagree, the module has
    no default, whatever follows.
    """
    for module, (modified, stream) in own.items():
        before, current = merged.get(module, (modified, stream))
        if current is None:
            current = stream
        elif stream is not None and current not in (_DISPUTED, stream) and modified >= before:
            current = stream if modified > before else _DISPUTED
        merged[module] = (max(modified, before), current)


def _stream(repository: str, data: Mapping[str, Any]) -> ModuleStream | None:
    name, stream = data.get("name"), data.get("stream")
    if not isinstance(name, str) or not isinstance(stream, str):
        return None
    artifacts = data.get("artifacts")
    free = data.get("demodularized")
    return ModuleStream(
        repository=repository,
        name=name,
        stream=stream,
        version=_number(data.get("version")),
        context=str(data.get("context") or ""),
        arch=str(data.get("arch") or "noarch"),
        static_context=str(data.get("static_context", "")).lower() in ("true", "yes", "on", "1"),
        requires=_requires(data.get("dependencies")),
        artifacts=_strings(artifacts.get("rpms")) if isinstance(artifacts, dict) else (),
        demodularized=_strings(free.get("rpms")) if isinstance(free, dict) else (),
    )


def _requires(value: object) -> tuple[tuple[tuple[str, tuple[str, ...]], ...], ...]:
    """Return the alternatives; version 2 has a list of them, version 1 a single mapping."""
    alternatives = []
    for item in value if isinstance(value, list) else [value]:
        requires = item.get("requires") if isinstance(item, dict) else None
        if isinstance(requires, dict):
            alternatives.append(
                tuple(
                    (str(m), _strings(s) if isinstance(s, list) else (str(s),))
                    for m, s in sorted(requires.items())
                )
            )
    return tuple(alternatives)


def _strings(value: object) -> tuple[str, ...]:
    return tuple(str(v) for v in value) if isinstance(value, list) else ()


def _number(value: object) -> int:
    return number_of(value) or 0 if isinstance(value, str) else 0


def demodularized(
    streams: Sequence[ModuleStream], active: frozenset[int]
) -> dict[tuple[str, str, str], frozenset[str]]:
    """Return package names that active streams' newest versions give up, by name, stream, arch.

    Documents are versions of each other if they have the same solver name.
    """
    names = _solver_names(streams)
    newest: dict[tuple[str, str], int] = {}
    for position in active:
        key = (names[position], streams[position].arch)
        newest[key] = max(newest.get(key, 0), streams[position].version)
    released: dict[tuple[str, str, str], frozenset[str]] = {}
    for position in sorted(active):
        s = streams[position]
        if s.version == newest[names[position], s.arch] and s.demodularized:
            place = (s.name, s.stream, s.arch)
            released[place] = released.get(place, frozenset()) | set(s.demodularized)
    return released


def active_modules(
    streams: Sequence[ModuleStream], state: ModuleState, arch: str
) -> frozenset[int]:
    """Return the positions of the active documents in `streams`."""
    pool = new_pool(arch)
    repos = {name: pool.add_repo(name) for name in dict.fromkeys(s.repository for s in streams)}
    names = _solver_names(streams)
    for position in _solver_order(streams):
        stream = streams[position]
        _add(pool, repos[stream.repository], stream, names[position])
    if state.platform and ":" in state.platform:
        module, _, stream_name = state.platform.partition(":")
        platform = pool.installed.add_solvable()
        platform.name, platform.evr, platform.arch = f"{state.platform}:00000000", "0", "noarch"
        _identify(pool, platform, module, stream_name)
    pool.createwhatprovides()
    active = _solve(pool, streams, state)
    return frozenset(position for position, name in enumerate(names) if name in active)


def _solver_order(streams: Sequence[ModuleStream]) -> list[int]:
    """Return the order in which libdnf adds documents; libsolv's choice among equals follows it.

    Each repository's documents are by module name (libmodulemd sorts them); those without a static
    context come after all others (ModulePackageContainer::add and addVersion2Modules).
    """
    repositories = list(dict.fromkeys(s.repository for s in streams))
    return sorted(
        range(len(streams)),
        key=lambda n: (
            not streams[n].static_context,
            repositories.index(streams[n].repository),
            streams[n].name,
        ),
    )


def _solver_names(streams: Sequence[ModuleStream]) -> list[str]:
    """Return the names `name:stream:context`.

    A context that the build system generated is replaced by the requirements: documents with the
    same ones are versions of each other, whatever their contexts.
    """
    static = {
        (s.name, s.stream, _requirements(s)): s.context
        for s in reversed(streams)
        if s.static_context
    }
    names = []
    for s in streams:
        context = s.context
        if not s.static_context:
            requirements = _requirements(s)
            context = static.get((s.name, s.stream, requirements), requirements or "NoRequires")
        names.append(f"{s.name}:{s.stream}:{context}")
    return names


def _requirements(stream: ModuleStream) -> str:
    requirements = []
    for alternative in stream.requires:
        for module, allowed in alternative:
            if module != "platform":
                requirements.append(
                    f"{module}:[{','.join(sorted(allowed))}]" if allowed else module
                )
    return ";".join(sorted(requirements))


def _add(pool: Any, repo: Any, stream: ModuleStream, name: str) -> None:
    solvable = repo.add_solvable()
    solvable.name, solvable.evr, solvable.arch = name, str(stream.version), stream.arch
    _identify(pool, solvable, stream.name, stream.stream)
    for alternative in stream.requires:
        for module, allowed in alternative:
            for choice in allowed:
                # libdnf looks for a dash anywhere, and then drops the first character.
                if "-" in choice:
                    solvable.add_conflicts(pool.str2id(f"module({module}:{choice[1:]})"))
            positive = [f"module({module}:{choice})" for choice in allowed if "-" not in choice]
            if len(positive) > 1:
                rich = pool.parserpmrichdep(f"({' or '.join(positive)})")
                if rich is not None:
                    solvable.add_requires(rich.id)
            else:
                solvable.add_requires(pool.str2id(positive[0] if positive else f"module({module})"))


def _identify(pool: Any, solvable: Any, module: str, stream: str) -> None:
    any_stream = pool.str2id(f"module({module})")
    solvable.add_provides(any_stream)
    solvable.add_provides(pool.str2id(f"module({module}:{stream})"))
    solvable.add_conflicts(any_stream)


def _solve(pool: Any, streams: Sequence[ModuleStream], state: ModuleState) -> frozenset[str]:
    """Return the solver names of the streams that remain after libdnf's sequence of attempts."""
    weak: dict[str, bool] = {}
    for s in streams:
        if f"{s.name}:{s.stream}" in state.enabled:
            weak[f"module({s.name}:{s.stream})"] = False
        elif state.defaults.get(s.name) == s.stream and not any(
            e.partition(":")[0] == s.name for e in state.enabled
        ):
            weak[f"module({s.name}:{s.stream})"] = True
    if not weak:
        return frozenset()
    job = solv.Job
    best = job.SOLVER_FORCEBEST
    # First all required and the newest; then defaults may be left out; then older versions are
    # allowed.
    for ignore_weak, extra in ((True, best), (False, best), (False, 0)):
        jobs = [
            (capability, extra | (job.SOLVER_WEAK if optional and not ignore_weak else 0))
            for capability, optional in weak.items()
        ]
        solver, problems = _attempt(pool, jobs)
        if not problems:
            return _installed(solver)
    # At last without conflicting streams, and any stream may be left out.
    pool.set_disabled_list(sorted(_conflicting(problems)))
    solver, problems = _attempt(pool, [(c, job.SOLVER_WEAK) for c in weak])
    return frozenset() if problems else _installed(solver)


def _attempt(pool: Any, jobs: Sequence[tuple[str, int]]) -> tuple[Any, list[Any]]:
    solver = new_solver(pool)
    how = solv.Job.SOLVER_INSTALL | solv.Job.SOLVER_SOLVABLE_PROVIDES
    problems = solver.solve([pool.Job(how | extra, pool.str2id(c)) for c, extra in jobs])
    return solver, problems


def _installed(solver: Any) -> frozenset[str]:
    return frozenset(s.name for s in solver.transaction().newsolvables())


def _conflicting(problems: Iterable[Any]) -> set[int]:
    types = (
        solv.Solver.SOLVER_RULE_PKG_CONFLICTS,
        solv.Solver.SOLVER_RULE_PKG_SELF_CONFLICT,
        solv.Solver.SOLVER_RULE_PKG_SAME_NAME,
    )
    numbers: set[int] = set()
    for problem in problems:
        for rule in problem.findallproblemrules():
            info = rule.info()
            if info.type in types:
                numbers.update(s.id for s in (info.solvable, info.othersolvable) if s is not None)
    return {n for n in numbers if n > 1}
