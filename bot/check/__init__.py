"""One change's run: plan, compare, verdict. Names load their modules when they are first used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bot.check.change import Change, open_change
    from bot.check.external import (
        ExternalPlan,
        Standing,
        external_check,
        look_for,
        plan_external,
        plan_given,
    )
    from bot.check.plan import CheckOptions
    from bot.check.pools import Pools
    from bot.check.run import Prediction, build_check, native_arch, predict_check, rebuilt_check
    from bot.check.verdict import accept

__all__ = [
    "Change",
    "CheckOptions",
    "ExternalPlan",
    "Pools",
    "Prediction",
    "Standing",
    "accept",
    "build_check",
    "external_check",
    "look_for",
    "native_arch",
    "open_change",
    "plan_external",
    "plan_given",
    "predict_check",
    "rebuilt_check",
]

_HOME = {
    "Change": "change",
    "CheckOptions": "plan",
    "ExternalPlan": "external",
    "Pools": "pools",
    "Prediction": "run",
    "Standing": "external",
    "accept": "verdict",
    "build_check": "run",
    "external_check": "external",
    "look_for": "external",
    "native_arch": "run",
    "open_change": "change",
    "plan_external": "external",
    "plan_given": "external",
    "predict_check": "run",
    "rebuilt_check": "run",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
