"""Which source packages a change makes, and what version-release it raises them to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from bot.check.evidence import EvaluatedSpec, Evaluation
from bot.closure.evr import compare_evr
from bot.model.spec import SpecEvaluation


def raised_sources(specs: Iterable[EvaluatedSpec]) -> tuple[tuple[str, str | None], ...]:
    """Each source package of the heads with its version-release, or null where that is not higher
    than the base's: then it cannot tell a build with the change from one without.

    Of several (other `%dist` in other repositories) the lowest. Sorted by name.
    """
    found: dict[str, list[str | None]] = {}
    for one in specs:
        before = _heads(one.base)
        for source, head in _heads(one.head).items():
            base = before.get(source)
            raised = base is None or compare_evr(head, base) > 0
            found.setdefault(source, []).append(head if raised else None)
    return tuple((source, _lowest(found[source])) for source in sorted(found))


def _lowest(versions: Iterable[str | None]) -> str | None:
    known: str | None = None
    for version in versions:
        if version is None:
            return None
        if known is None or compare_evr(version, known) < 0:
            known = version
    return known


def _heads(side: Mapping[str, Evaluation]) -> dict[str, str]:
    """The version-release of each source, the lowest over the architectures."""
    found: dict[str, str] = {}
    for evaluation in side.values():
        if isinstance(evaluation, SpecEvaluation):
            _, version, release = evaluation.evr
            text = f"{version}-{release}"
            known = found.get(evaluation.source)
            if known is None or compare_evr(text, known) < 0:
                found[evaluation.source] = text
    return found
