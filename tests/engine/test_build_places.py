"""Where a process builds, and where a change is built."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bot.engine import build_places
from bot.engine.build_places import (
    BuildPlace,
    build_id,
    check_of_build,
    places_here,
    plan_of,
)
from bot.errors import SurroundingsError, UsageError
from bot.settings.values import Settings

NATIVE, EMULATED = BuildPlace("aarch64"), BuildPlace("aarch64", "emulated")
X86 = BuildPlace("x86_64")


def settings(tmp_path: Path, *, emulated: tuple[str, ...] = (), **engine: Any) -> Settings:
    secret = {"env": "SECRET"}
    forge = {"type": "github", "token": secret, "webhook_secrets": [secret]}
    return Settings.model_validate(
        {"forges": {"gh": forge}, "engine": engine, "build": {"emulated": emulated}},
        context={"base": tmp_path},
    )


@pytest.fixture(autouse=True)
def _an_x86_that_emulates(monkeypatch: pytest.MonkeyPatch) -> None:
    def runs(arch: str) -> SurroundingsError | None:
        return None if arch == "aarch64" else SurroundingsError(f"No {arch} here.", "Install it.")

    monkeypatch.setattr(build_places, "native_architecture", lambda: "x86_64")
    monkeypatch.setattr(build_places, "why_not_run", runs)


def test_a_queue_names_its_place() -> None:
    for place in (NATIVE, EMULATED, X86):
        assert BuildPlace.of_queue(place.queue) == place
        assert check_of_build(build_id("gh-o-r-7", place.arch)) == "gh-o-r-7"
    assert check_of_build("gh-o-build-7-final") == "gh-o-build-7-final"
    for other in ("checks", "builds", "builds-"):
        with pytest.raises(ValueError, match="no queue of builds"):
            BuildPlace.of_queue(other)


def test_a_process_builds_for_its_machine_unless_it_says_more(tmp_path: Path) -> None:
    assert places_here(settings(tmp_path)) == (X86,)
    assert places_here(settings(tmp_path, builds=0)) == ()
    assert places_here(settings(tmp_path, emulated=("aarch64",))) == (X86,)
    both = settings(tmp_path, emulated=("aarch64",)).building_for(("aarch64", "x86_64"))
    assert places_here(both) == (EMULATED, X86)


def test_nothing_is_emulated_that_the_settings_do_not_allow(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"do not allow to emulate aarch64.*emulated: \[aarch64\]"):
        places_here(settings(tmp_path, architectures=["x86_64", "aarch64"]))


def test_what_does_not_run_here_is_left_out_and_ends_a_process_that_has_nothing_else(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    both = settings(tmp_path, emulated=("s390x",), architectures=["x86_64", "s390x"])
    assert places_here(both) == (X86,)
    assert "Nothing is built for s390x here: No s390x here. Install it." in caplog.text
    with pytest.raises(UsageError, match=r"No s390x here. Install it."):
        places_here(both.building_for(("s390x",)))


def test_a_change_is_built_for_each_architecture_native_before_emulated() -> None:
    s390x = BuildPlace("s390x", "emulated")
    arches = ("s390x", "aarch64", "x86_64", "ppc64le")
    assert plan_of(arches, {EMULATED, s390x, X86}) == (X86, EMULATED, s390x)
    assert plan_of(arches, {EMULATED, NATIVE, X86}) == (X86, NATIVE)
    assert plan_of(["aarch64"], {X86, EMULATED}) == (EMULATED,)
    assert plan_of(["ppc64le"], {X86}) == ()
