"""A temporary, empty Postgres, on a socket in a temporary directory."""

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

from bot.errors import SurroundingsError
from bot.sandbox.remedies import install_remedy

_PLACES = (*sorted(Path("/usr/lib/postgresql").glob("*/bin")), Path("/usr/bin"))
_USER = "postgres"
_NOBODY = 65534


def postgres_installed() -> bool:
    """Return whether Postgres is installed here."""
    return _programs() is not None


@contextmanager
def postgres() -> Iterator[str]:
    """The URL of an empty database, for a block; SurroundingsError if Postgres is not usable."""
    programs = _programs()
    if programs is None:
        raise SurroundingsError(
            "Postgres is not installed.", install_remedy("postgresql", "postgresql-server")
        )
    # A short path: a socket's path is limited to 107 bytes.
    with tempfile.TemporaryDirectory(prefix="pg") as name:
        home = Path(name)
        home.chmod(0o777)
        data = home / "data"
        prefix = _as_other(home)
        control = [*prefix, str(programs / "pg_ctl"), "-D", str(data)]
        _quiet([*prefix, str(programs / "initdb"), "-D", str(data), "-U", _USER, "-A", "trust"])
        options = f"-c listen_addresses= -k {home} -c max_connections=200 -c fsync=on"
        _quiet([*control, "-w", "-l", str(home / "log"), "-o", options, "start"])
        try:
            database = f"minimize_{secrets.token_hex(4)}"
            with psycopg.connect(f"postgresql://{_USER}@/postgres?host={home}") as connection:
                connection.autocommit = True
                connection.execute(f"CREATE DATABASE {database}")
            yield f"postgresql://{_USER}@/{database}?host={home}"
        finally:
            _quiet([*control, "-m", "immediate", "stop"])


@cache
def _programs() -> Path | None:
    """The directory of initdb and pg_ctl; None if Postgres is not installed."""
    return next((place for place in _PLACES if (place / "initdb").exists()), None)


def _as_other(home: Path) -> list[str]:
    """The command prefix that runs a command as nobody, as Postgres refuses root."""
    if os.getuid() != 0:
        return []
    setpriv = shutil.which("setpriv")
    assert setpriv is not None
    os.chown(home, _NOBODY, _NOBODY)
    return [setpriv, "--reuid", str(_NOBODY), "--regid", str(_NOBODY), "--clear-groups", "--"]


def _quiet(command: list[str]) -> None:
    process = subprocess.run(command, cwd="/", capture_output=True, text=True, check=False)
    if process.returncode != 0:
        raise SurroundingsError(
            f"Postgres does not start or stop: {process.stdout}{process.stderr}"
        )
