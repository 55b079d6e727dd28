"""Rows of pages, with what a test says and else nothing."""

from __future__ import annotations

from bot.model.image import ImageKey
from bot.model.nevra import Nevra
from bot.store.history.values import ClosureFacts
from bot.web.responses.image_packages import ImagePackage, Leaves, RequiredBy
from bot.web.responses.steps import Step

KEY = ImageKey("w", "e", "r", "x86_64")
FACTS = ClosureFacts("ok", 1, 1, 1)


def nevra(name: str, version: str = "1") -> Nevra:
    """A package's NEVRA."""
    return Nevra(name, 0, version, "1", "x86_64")


def package(
    name: str, size: int = 1, *, requested: bool = False, required_by: dict[str, str] | None = None
) -> ImagePackage:
    """A package of an image; `required_by` has capabilities by the package that requires them."""
    needs = [RequiredBy(nevra(n), c, "requires") for n, c in (required_by or {}).items()]
    return ImagePackage(
        nevra(name), name, 0, "1", "1", "x86_64", name, "baseos", size, None, None, requested,
        needs, Leaves(1, size),
    )  # fmt: skip


def cause(name: str, delta: int, **changes: object) -> dict:
    """One package's part in a step; of the distribution, unless `changes` say otherwise."""
    about = {
        "kind": "distribution", "change": "changed", "from": None, "to": None, "mover": None,
        "chain": [], "commit": None, "pull_request": None,
    }  # fmt: skip
    return {"package": name, "delta": delta, "known_delta": delta, "cause": {**about, **changes}}


def step(run: int, *causes: dict, delta: int = 0, packages_delta: int | None = 0) -> Step:
    """A step of `delta` bytes at a run, of which there is one a day."""
    when = f"2026-{run // 28 + 1:02}-{run % 28 + 1:02}T00:00:00Z"
    return Step(KEY, run, when, FACTS, FACTS, delta, delta, packages_delta, list(causes))
