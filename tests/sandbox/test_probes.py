"""No probe of the sandbox succeeds; which they are, and by hand, is in probes.py."""

from __future__ import annotations

import pytest

from bot.sandbox.cgroup import hierarchy
from bot.sandbox.run import sandbox_available
from tests.sandbox.probes import PROBES, Probe, try_probe

pytestmark = pytest.mark.skipif(
    sandbox_available() is not None, reason=f"no sandbox here: {sandbox_available()}"
)


@pytest.mark.parametrize("probe", PROBES, ids=lambda probe: f"{probe.kind}: {probe.name}")
def test_a_probe_is_held(probe: Probe) -> None:
    if probe.kind == "memory" and hierarchy() is None:
        pytest.skip("no control groups here: strangers' code is not run")
    tried = try_probe(probe)
    assert tried.outcome == "held", tried.detail


def test_a_probe_tells_when_it_succeeds() -> None:
    tried = try_probe(Probe("/proc", "itself", "succeeded(read('/proc/self/comm'))"))
    assert (tried.outcome, tried.detail) == ("succeeded", r"b'python3\n'")


def test_there_are_sixty_different_probes() -> None:
    assert len({(probe.kind, probe.name) for probe in PROBES}) == 60
    assert {probe.kind for probe in PROBES} == {
        "system call", "keyring", "socket", "/proc", "memory", "disk", "descriptor", "signal",
        "uid",
    }  # fmt: skip
