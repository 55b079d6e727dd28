"""Warm pools, and what a cold command loads of them."""

from __future__ import annotations

from tests.conftest import run_python


def test_pools_load_nothing_that_evaluates_or_builds_spec_files():
    """A cold `minimize closure` took twice as long once they stood with the targets of checks."""
    rooms = ("bot.spec", "bot.build", "bot.git", "bot.sandbox", "bot.requests", "pydantic", "yaml")
    code = f"import sys, bot.check.pools;print([m for m in sys.modules if m.startswith({rooms!r})])"
    done = run_python(code)
    assert done.stdout.strip() == "[]"
