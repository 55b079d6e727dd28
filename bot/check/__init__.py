"""One change's run: plan, compare, verdict. Names load their modules when they are first used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bot.check.change import Change, open_change
    from bot.check.plan import CheckOptions
    from bot.check.pools import Pools
    from bot.check.run import Prediction, build_check, native_arch, predict_check

__all__ = [
    "Change",
    "CheckOptions",
    "Pools",
    "Prediction",
    "build_check",
    "native_arch",
    "open_change",
    "predict_check",
]

_HOME = {
    "Change": "change",
    "CheckOptions": "plan",
    "Pools": "pools",
    "Prediction": "run",
    "build_check": "run",
    "native_arch": "run",
    "open_change": "change",
    "predict_check": "run",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
