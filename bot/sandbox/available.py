"""A test of the sandbox on this machine, run once."""

from __future__ import annotations

import functools

from bot.sandbox.run import run_sandboxed
from bot.sandbox.values import Limits, SandboxError


@functools.cache
def _failure() -> tuple[str, str] | None:
    try:
        finished = run_sandboxed(["/usr/bin/env", "true"], limits=Limits(seconds=30.0))
    except SandboxError as error:
        return error.what, error.hint
    if finished.returncode != 0:
        said = (finished.stderr or finished.stdout).decode(errors="replace").strip()
        return f"A trivial command failed in the sandbox: {said or finished.limit}.", ""
    return None


def sandbox_available() -> str | None:
    """Null where the sandbox works, else why not and what to do about it. Asked once a process."""
    failure = _failure()
    return None if failure is None else f"{failure[0]} {failure[1]}".strip()


def require_sandbox() -> None:
    """Raises SandboxError, with the remedy, where the sandbox does not work."""
    failure = _failure()
    if failure is not None:
        raise SandboxError(*failure)
