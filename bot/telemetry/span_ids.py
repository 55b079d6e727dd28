"""The ids of spans: random, but where a span is given those of its trace's root."""

from __future__ import annotations

from collections.abc import Callable

from opentelemetry.sdk.trace.id_generator import IdGenerator, RandomIdGenerator


class _GivenIds(RandomIdGenerator):
    def __init__(self, given: Callable[[], tuple[int, int] | None]) -> None:
        self._given = given

    def generate_trace_id(self) -> int:
        given = self._given()
        return given[0] if given else super().generate_trace_id()

    def generate_span_id(self) -> int:
        given = self._given()
        return given[1] if given else super().generate_span_id()


def given_ids(given: Callable[[], tuple[int, int] | None]) -> IdGenerator:
    """A generator of the ids (trace, span) that `given` returns; of random ones for null."""
    return _GivenIds(given)
