"""Fixtures for every test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bot.errors import MinimizeError

if TYPE_CHECKING:
    from bot.demo.distribution import ReferenceDistribution


@pytest.fixture(scope="session")
def reference() -> ReferenceDistribution:
    """The reference distribution, made into the shared cache if it is not there yet.

    The making locks out other processes, so workers of pytest-xdist wait for the first. Where it
    can neither be found nor made the test fails, with the reason: a skipped test shows nothing.
    """
    from bot.demo.distribution import build_reference_distribution, default_cache, progress

    try:
        with progress() as shown:
            return build_reference_distribution(default_cache(), shown)
    except MinimizeError as error:
        pytest.fail(f"the reference distribution is not there: {error}", pytrace=False)
