"""One run of libsolv, set up as dnf sets it up (libdnf's Goal)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import solv

from bot.closure.jobs import Want
from bot.closure.overlay_pool import OverlayPool
from bot.closure.unsolvable import causes_of
from bot.model.closure import UnsolvableCause
from bot.model.package import Package

# dnf's installonlypkgs: packages of which several versions may be installed side by side.
_INSTALL_ONLY = (
    "kernel",
    "kernel-PAE",
    "installonlypkg(kernel)",
    "installonlypkg(kernel-module)",
    "installonlypkg(vm)",
    "multiversion(kernel)",
)


class Solution(NamedTuple):
    """The packages (by number) that would be installed, or libsolv's texts of what prevents it, the
    causes, and the packages that these are about."""

    installed: tuple[int, ...]
    problems: tuple[str, ...] = ()
    causes: tuple[UnsolvableCause, ...] = ()
    involved: tuple[Package, ...] = ()


def run(
    stage: OverlayPool, wants: Sequence[Want], missing: Sequence[str], *, arch: str, weak: bool
) -> Solution:
    """Installs what is wanted on an empty system of `arch`; `missing` requests match nothing."""
    pool = stage.pool
    solver = pool.Solver()
    for flag in (
        solver.SOLVER_FLAG_ALLOW_VENDORCHANGE,
        solver.SOLVER_FLAG_DUP_ALLOW_VENDORCHANGE,
        solver.SOLVER_FLAG_KEEP_ORPHANS,
        solver.SOLVER_FLAG_BEST_OBEY_POLICY,
        solver.SOLVER_FLAG_YUM_OBSOLETES,
        solver.SOLVER_FLAG_ALLOW_DOWNGRADE,
    ):
        solver.set_flag(flag, 1)
    if not weak:
        solver.set_flag(solver.SOLVER_FLAG_IGNORE_RECOMMENDED, 1)
    problems = solver.solve(_jobs(stage, wants))
    if problems or missing:
        causes, involved = causes_of(stage, arch, wants, problems, missing)
        return Solution((), _texts(stage, arch, problems), causes, involved)
    return Solution(tuple(sorted(s.id for s in solver.transaction().newsolvables())))


def _jobs(stage: OverlayPool, wants: Iterable[Want]) -> Sequence[Any]:
    pool, job = stage.pool, solv.Job
    one_of = (
        job.SOLVER_INSTALL | job.SOLVER_SOLVABLE_ONE_OF | job.SOLVER_SETARCH | job.SOLVER_SETEVR
    )
    jobs = [
        pool.Job(job.SOLVER_INSTALL | job.SOLVER_SOLVABLE_PROVIDES, want.dependency)
        if want.dependency
        else pool.Job(one_of, stage.one_of(want.ids))
        for want in wants
    ]
    several = job.SOLVER_MULTIVERSION | job.SOLVER_SOLVABLE_PROVIDES
    jobs += [pool.Job(several, pool.str2id(name)) for name in _INSTALL_ONLY]
    return jobs


def _texts(stage: OverlayPool, arch: str, problems: Iterable[Any]) -> tuple[str, ...]:
    """Each reason once, in libsolv's words.

    In libsolv's order, but those about packages of foreign architectures come last: an image takes
    such a package only where its own architecture's fails too. A package that the scene hides is as
    good as not there, though libsolv, which still knows it, would say that it is disabled.
    """
    texts: dict[str, bool] = {}
    for problem in problems:
        for rule in problem.findallproblemrules():
            for info in rule.allinfos():
                text = _text(stage, info)
                if text is not None:
                    foreign = info.solvable is not None and info.solvable.arch not in (
                        arch,
                        "noarch",
                    )
                    texts.setdefault(text, foreign)
    ordered = tuple(sorted(texts, key=lambda text: texts[text]))
    return ordered or tuple(str(problem) for problem in problems)


def _text(stage: OverlayPool, info: Any) -> str | None:
    solver = solv.Solver
    if any(s is not None and stage.hidden(s.id) for s in (info.solvable, info.othersolvable)):
        return None
    if info.type == solver.SOLVER_RULE_PKG_REQUIRES and all(
        map(stage.hidden, stage.providers(info.dep_id))
    ):
        return f"nothing provides {info.dep} needed by {info.solvable}"
    return str(info.problemstr())
