"""Backups of a server's data: the store and the engine's database, as of one moment.

A backup is a directory: `minimize.sqlite`, the engine's database (`engine.sqlite`, or a Postgres's
own format), the settings file if one was named (it holds only references to secrets), and
`backup.json`, which lists them with their checksums. Only its owner can read it.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa
from pydantic import BaseModel, ValidationError

from bot import __version__
from bot.engine.database import SCHEMA, database_engine, lock_data, refuse_newer, transaction
from bot.errors import SurroundingsError, UsageError
from bot.store import FILE as STORE
from bot.store.store import open_store, own_file

ENGINE = "engine.sqlite"
POSTGRES = "engine.pgdump"
SETTINGS = "settings.yaml"
_LIST = "backup.json"
_FORMAT = 1
_SECONDS = 60.0  # to wait for a writer


class Backup(BaseModel, frozen=True):
    """The contents of `backup.json`; `files` are SHA-256 sums by name."""

    format: int
    release: str
    made: str
    files: dict[str, str]


@dataclass(frozen=True, slots=True)
class ServerData:
    """The places of a server's data: its directory, the engine's SQLite file or Postgres URL."""

    directory: Path
    engine: Path | str

    @property
    def store(self) -> Path:
        """The store's file."""
        return self.directory / STORE


def make_backup(data: ServerData, target: Path, settings: Path | None = None) -> Backup:
    """Write a backup into the directory `target`, which must be new or empty; the server may run.

    Raises UsageError if there is no data or `target` is not empty, SurroundingsError if a database
    cannot be read or pg_dump fails.
    """
    if not data.store.is_file():
        raise UsageError(
            f"There is no data of a server at {data.directory}.", "Name its directory with --data."
        )
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise UsageError(f"{target} is not empty.", "Name a directory that is not there yet.")
    target.mkdir(parents=True, exist_ok=True, mode=0o700)
    with ExitStack() as undo:
        undo.callback(_empty, target)
        _fill(target, data, settings)
        undo.pop_all()
    files = {path.name: _sum(path) for path in sorted(target.iterdir())}
    made = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    backup = Backup(format=_FORMAT, release=__version__, made=made, files=files)
    (target / _LIST).write_text(backup.model_dump_json(indent=2) + "\n")
    return backup


def _fill(target: Path, data: ServerData, settings: Path | None) -> None:
    """Write all files of a backup except its list."""
    sources = {STORE: data.store}
    if isinstance(data.engine, Path) and data.engine.exists():
        sources[ENGINE] = data.engine
    with _snapshots(sources) as snapshots:
        for name, snapshot in snapshots.items():
            own_file(target / name)
            with closing(sqlite3.connect(target / name)) as copy:
                snapshot.backup(copy)
    if isinstance(data.engine, str):
        # After the store, which then never knows of a run that the engine's dump lacks.
        own_file(target / POSTGRES)
        _postgres(["pg_dump", "--format=custom", "--file", str(target / POSTGRES)], data.engine)
    if settings is not None:
        shutil.copyfile(settings, target / SETTINGS)


def _empty(folder: Path) -> None:
    """Remove the files of an unfinished backup."""
    for path in folder.iterdir():
        path.unlink()


def restore_backup(source: Path, data: ServerData) -> Backup:
    """Restore a backup as a server's data; there must be no data there yet.

    Files restored by root are given to the owner of the data directory, as whom the server runs.
    Raises UsageError, and changes nothing, if a server runs, data is there, or the backup is
    incomplete, damaged or of a newer release; SurroundingsError if Postgres fails.
    """
    backup = _read_list(source)
    paths = [data.store, *([data.engine] if isinstance(data.engine, Path) else [])]
    with lock_data(data.directory):
        for database in paths:
            if database.exists():
                raise UsageError(
                    f"{database} exists already, and a backup overwrites nothing.",
                    "Move the data directory away, or name another with --data.",
                )
        _check_engines(backup, data)
        if isinstance(data.engine, str):
            _refuse_runs(data.engine)
        with ExitStack() as undo:
            for name, path in zip((STORE, ENGINE), paths, strict=False):
                if name in backup.files:
                    undo.callback(path.unlink, missing_ok=True)
                    _copy_database(source / name, path)
            open_store(data.directory).close()  # refuses what a newer release wrote
            if isinstance(data.engine, Path) and data.engine.exists():
                refuse_newer(f"sqlite:///{data.engine}")
            if isinstance(data.engine, str) and POSTGRES in backup.files:
                arguments = ["--clean", "--if-exists", "--no-owner", "--single-transaction"]
                _postgres(["pg_restore", *arguments, str(source / POSTGRES)], data.engine)
            _give_to_owner(data.directory, [*data.directory.iterdir(), *paths])
            undo.pop_all()
    return backup


def _read_list(source: Path) -> Backup:
    """The list of a backup, after checking its files against it."""
    try:
        backup = Backup.model_validate_json((source / _LIST).read_bytes())
    except (OSError, ValidationError) as error:
        raise UsageError(
            f"{source} is no backup: {_LIST} cannot be read.",
            "Name a directory that `minimize backup` wrote.",
        ) from error
    if backup.format > _FORMAT:
        raise UsageError(
            f"The backup {source} was written by a newer release of minimize ({backup.release}).",
            "Restore it with that release, or a newer one.",
        )
    for name, expected in backup.files.items():
        path = source / name
        if Path(name).name != name or not path.is_file() or _sum(path) != expected:
            raise UsageError(
                f"{path} is missing, or differs from what was backed up.", "Take another backup."
            )
    if STORE not in backup.files:
        raise UsageError(f"The backup {source} has no {STORE}.", "Take another backup.")
    return backup


def _check_engines(backup: Backup, data: ServerData) -> None:
    """UsageError if the backup's engine's database is SQLite and the server's Postgres, or the
    other way round."""
    stored = POSTGRES if POSTGRES in backup.files else ENGINE
    wanted = POSTGRES if isinstance(data.engine, str) else ENGINE
    if stored in backup.files and stored != wanted:
        raise UsageError(
            f"The backup has the engine's database as {stored}, the settings want {wanted}.",
            "Restore it with settings whose engine.database is of the same kind.",
        )


def _refuse_runs(url: str) -> None:
    """UsageError if a Postgres has runs of an engine already, SurroundingsError if it does not
    answer."""
    engine = database_engine(url)
    try:
        with transaction(engine) as connection:
            if not sa.inspect(connection).has_table("workflow_status", schema=SCHEMA):
                return
            runs = sa.table("workflow_status", schema=SCHEMA)
            number = connection.execute(sa.select(sa.func.count()).select_from(runs)).scalar_one()
    finally:
        engine.dispose()
    if number:
        raise UsageError(
            f"The engine's database has {number} runs already, and a backup overwrites nothing.",
            "Name an empty database as engine.database, or drop this one and make it again.",
        )


@contextmanager
def _snapshots(sources: dict[str, Path]) -> Iterator[dict[str, sqlite3.Connection]]:
    """Connections that read all databases as of one moment: writers are locked out while they
    open."""
    with ExitStack() as stack:
        readers, writers = {}, []
        try:
            for path in sources.values():
                writer = stack.enter_context(closing(_connect(path)))
                writer.execute("BEGIN IMMEDIATE")
                writers.append(writer)
            for name, path in sources.items():
                reader = stack.enter_context(closing(_connect(path)))
                reader.execute("BEGIN")
                reader.execute("SELECT count(*) FROM sqlite_master").fetchone()
                readers[name] = reader
        except sqlite3.Error as error:
            raise SurroundingsError(
                f"The databases of {sources[STORE].parent} cannot be read: {error}.",
                "Try again when the server is less busy.",
            ) from error
        finally:
            for writer in writers:
                writer.execute("ROLLBACK")
        yield readers


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=_SECONDS, isolation_level=None
    )


def _copy_database(source: Path, target: Path) -> None:
    """Copy a database file; UsageError if it is damaged."""
    target.parent.mkdir(parents=True, exist_ok=True)
    own_file(target)
    with closing(sqlite3.connect(source)) as stored, closing(sqlite3.connect(target)) as copy:
        stored.backup(copy)
        (state,) = copy.execute("PRAGMA integrity_check").fetchone()
    if state != "ok":
        raise UsageError(f"{source} is damaged: {state}.", "Take another backup.")


def _give_to_owner(directory: Path, paths: Iterable[Path]) -> None:
    """Give those of `paths` that exist to the owner of `directory`; does nothing if not root."""
    if os.geteuid() == 0:
        owner = directory.stat()
        for path in paths:
            if path.exists():
                os.chown(path, owner.st_uid, owner.st_gid)


def _postgres(command: Sequence[str], url: str) -> None:
    """Run one of Postgres's programs on a database; the password is not among its arguments."""
    engine = database_engine(url)
    place: sa.URL = engine.url.set(drivername="postgresql")
    engine.dispose()
    password = {"PGPASSWORD": str(place.password)} if place.password else {}
    plain = place.set(password=None).render_as_string()
    program = shutil.which(command[0])
    if program is None:
        raise SurroundingsError(
            f"{command[0]} is not installed, and the engine's database is a Postgres.",
            "Install the package postgresql-client (apt) or postgresql (dnf).",
        )
    arguments = [program, "--dbname", plain, *command[1:]]
    process = subprocess.run(
        arguments, env={**os.environ, **password}, capture_output=True, text=True, check=False
    )
    if process.returncode:
        last = (process.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise SurroundingsError(f"{command[0]} failed: {last}")


def _sum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
