"""Databases of tests: an SQLite file, or a Postgres of their own."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import psycopg
import pytest

_PLACES = (*sorted(Path("/usr/lib/postgresql").glob("*/bin")), Path("/usr/bin"))
_USER = "postgres"


@contextmanager
def database_urls(kind: str, folder: Path) -> Iterator[str]:
    """The URL of a new, empty database of a kind: `sqlite` or `postgresql`."""
    if kind == "sqlite":
        yield f"sqlite:///{folder / 'engine.sqlite'}"
        return
    with postgres() as url:
        yield url.replace("postgresql://", "postgresql+psycopg://")


@contextmanager
def postgres() -> Iterator[str]:
    """A Postgres that listens on a socket of its own, empty; skips where none is installed."""
    programs = _programs()
    if programs is None:
        pytest.skip("Postgres is not installed")
    # A short path: that of a socket may have 107 characters.
    with tempfile.TemporaryDirectory(prefix="pg") as name:
        home = Path(name)
        home.chmod(0o777)
        with _as_other(home) as prefix:
            data = home / "data"
            _quiet([*prefix, str(programs / "initdb"), "-D", str(data), "-U", _USER, "-A", "trust"])
            options = f"-c listen_addresses= -k {home} -c max_connections=200 -c fsync=on"
            start = ["-D", str(data), "-w", "-l", str(home / "log"), "-o", options]
            _quiet([*prefix, str(programs / "pg_ctl"), *start, "start"])
            try:
                made = f"test_{secrets.token_hex(4)}"
                with psycopg.connect(f"postgresql://{_USER}@/postgres?host={home}") as connection:
                    connection.autocommit = True
                    connection.execute(f"CREATE DATABASE {made}")
                yield f"postgresql://{_USER}@/{made}?host={home}"
            finally:
                stop = [*prefix, str(programs / "pg_ctl"), "-D", str(data), "-m", "immediate"]
                _quiet([*stop, "stop"])


@cache
def _programs() -> Path | None:
    return next((place for place in _PLACES if (place / "initdb").exists()), None)


@contextmanager
def _as_other(home: Path) -> Iterator[list[str]]:
    """The words before a command that run it as nobody: Postgres refuses root."""
    if os.getuid() != 0:
        yield []
        return
    setpriv = shutil.which("setpriv")
    assert setpriv is not None
    nobody = 65534
    os.chown(home, nobody, nobody)
    yield [setpriv, "--reuid", str(nobody), "--regid", str(nobody), "--clear-groups", "--"]


def _quiet(command: list[str]) -> None:
    done = subprocess.run(command, cwd="/", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
