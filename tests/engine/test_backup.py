"""Backups: the store and the engine's database as of one moment, and back again."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from dbos import DBOS

from bot.cli import main
from bot.engine.backup import ENGINE, STORE, ServerData, make_backup, restore_backup
from bot.engine.database import lock_data
from bot.errors import SurroundingsError, UsageError
from bot.store.store import open_store
from tests.databases import database_urls

SPEC = {"nginx/nginx.spec": "Name: nginx\nRequires: perl\n"}


def data_in(folder: Path) -> ServerData:
    return ServerData(folder, folder / ENGINE)


@pytest.fixture
def server(tmp_path: Path) -> ServerData:
    """The data of a server that has never checked anything."""
    data = data_in(tmp_path / "data")
    open_store(data.directory).close()
    DBOS.migrate(f"sqlite:///{data.engine}")
    return data


async def test_a_running_server_is_backed_up_and_its_runs_are_there_again(
    bot, tmp_path: Path
) -> None:
    head = bot.push(SPEC)
    await bot.deliver()
    await bot.settled()
    backup = make_backup(data_in(bot.settings.data), tmp_path / "backup")
    assert sorted(backup.files) == [ENGINE, STORE]
    there = data_in(tmp_path / "again")
    assert restore_backup(tmp_path / "backup", there) == backup
    store = open_store(there.directory)
    (check,) = store.checks_of("gh", "o/r", 7)
    store.close()
    assert (check.head_sha, check.stage) == (head, "final")
    assert isinstance(there.engine, Path)
    with contextlib.closing(sqlite3.connect(there.engine)) as database:
        runs = database.execute("select count(*) from workflow_status").fetchone()
    assert runs == (2,)


def test_both_databases_are_of_one_moment(server: ServerData, tmp_path: Path) -> None:
    """Who writes to the one, then to the other, has one more in the first, or as many."""
    assert isinstance(server.engine, Path)
    for path in (server.store, server.engine):
        with contextlib.closing(sqlite3.connect(path)) as database, database:
            database.execute("create table rows_of_test (n)")
    stop = threading.Event()

    def write() -> None:
        connections = [
            sqlite3.connect(p, timeout=60, isolation_level=None)
            for p in (server.store, server.engine)
        ]
        while not stop.is_set():
            for connection in connections:
                connection.execute("insert into rows_of_test values (1)")
        for connection in connections:
            connection.close()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for number in range(10):
            make_backup(server, tmp_path / str(number))
    finally:
        stop.set()
        writer.join()
    for number in range(10):
        counts = [_count(tmp_path / str(number) / name) for name in (STORE, ENGINE)]
        assert counts[0] - counts[1] in (0, 1), counts


def _count(path: Path) -> int:
    with contextlib.closing(sqlite3.connect(path)) as database:
        (found,) = database.execute("select count(*) from rows_of_test").fetchone()
    return int(found)


def test_nothing_is_written_over(server: ServerData, tmp_path: Path) -> None:
    make_backup(server, tmp_path / "backup")
    with pytest.raises(UsageError, match="not empty"):
        make_backup(server, tmp_path / "backup")
    with pytest.raises(UsageError, match="exists already"):
        restore_backup(tmp_path / "backup", server)
    with lock_data(tmp_path / "other"), pytest.raises(UsageError, match="works on the data"):
        restore_backup(tmp_path / "backup", data_in(tmp_path / "other"))
    with pytest.raises(UsageError, match="no data of a server"):
        make_backup(data_in(tmp_path / "nothing"), tmp_path / "second")


def test_only_the_owner_reads_a_backup_and_what_is_restored(
    server: ServerData, tmp_path: Path
) -> None:
    make_backup(server, tmp_path / "backup")
    there = data_in(tmp_path / "again")
    restore_backup(tmp_path / "backup", there)
    assert (tmp_path / "backup").stat().st_mode & 0o777 == 0o700
    for path in (tmp_path / "backup" / STORE, tmp_path / "backup" / ENGINE, there.store):
        assert path.stat().st_mode & 0o777 == 0o600, path
    assert isinstance(there.engine, Path) and there.engine.stat().st_mode & 0o777 == 0o600


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_what_root_restores_belongs_to_the_owner_of_the_data_directory(
    server: ServerData, tmp_path: Path
) -> None:
    make_backup(server, tmp_path / "backup")
    there = data_in(tmp_path / "again")
    there.directory.mkdir()
    os.chown(there.directory, 12345, 12346)
    restore_backup(tmp_path / "backup", there)
    owners = {(path.stat().st_uid, path.stat().st_gid) for path in there.directory.rglob("*")}
    assert owners == {(12345, 12346)}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda b: (b / STORE).write_bytes(b"SQLite format 3"), "differs from what was backed up"),
        (lambda b: (b / ENGINE).unlink(), "is missing"),
        (lambda b: (b / "backup.json").unlink(), "is no backup"),
        (
            lambda b: (b / "backup.json").write_text(
                (b / "backup.json").read_text().replace('"format": 1', '"format": 2')
            ),
            "newer release",
        ),
    ],
)
def test_what_is_damaged_or_newer_is_refused_and_nothing_changed(
    server: ServerData, tmp_path: Path, change, message: str
) -> None:
    make_backup(server, tmp_path / "backup")
    change(tmp_path / "backup")
    with pytest.raises(UsageError, match=message):
        restore_backup(tmp_path / "backup", data_in(tmp_path / "again"))
    assert not (tmp_path / "again" / STORE).exists()


@pytest.fixture
def postgres_data(server: ServerData, tmp_path: Path) -> Iterator[ServerData]:
    with database_urls("postgresql", tmp_path) as url:
        yield ServerData(server.directory, url.replace("+psycopg", ""))


def test_the_engine_in_a_postgres_comes_along(postgres_data: ServerData, tmp_path: Path) -> None:
    assert isinstance(postgres_data.engine, str)
    DBOS.migrate(postgres_data.engine)
    database = sa.create_engine(postgres_data.engine.replace("postgresql:", "postgresql+psycopg:"))
    count = sa.text("select version from dbos.dbos_migrations")
    with database.begin() as connection:
        before = connection.execute(count).scalar()
        connection.execute(sa.text("create table minimize_of_test as select 7 as n"))
    backup = make_backup(postgres_data, tmp_path / "backup")
    assert sorted(backup.files) == ["engine.pgdump", STORE]
    with database.begin() as connection:
        connection.execute(sa.text("drop table minimize_of_test; drop schema dbos cascade"))
    with pytest.raises(UsageError, match="pgdump"):
        restore_backup(tmp_path / "backup", data_in(tmp_path / "wrong"))
    restore_backup(tmp_path / "backup", ServerData(tmp_path / "again", postgres_data.engine))
    with database.begin() as connection:
        assert connection.execute(count).scalar() == before
        assert connection.execute(sa.text("select n from minimize_of_test")).scalar() == 7
    # A database with runs stays as it is; so does one that is restored in vain.
    columns = "workflow_uuid, status, priority, created_at, updated_at"
    with database.begin() as connection:
        connection.execute(sa.text("update minimize_of_test set n = 8"))
        connection.execute(
            sa.text(
                f"insert into dbos.workflow_status ({columns}) values ('a', 'SUCCESS', 0, 1, 1)"
            )
        )
    with pytest.raises(UsageError, match="has 1 runs already"):
        restore_backup(tmp_path / "backup", ServerData(tmp_path / "third", postgres_data.engine))
    assert not (tmp_path / "third" / STORE).exists()
    with database.begin() as connection:
        assert connection.execute(sa.text("select n from minimize_of_test")).scalar() == 8
    database.dispose()


def test_a_backup_that_fails_leaves_nothing_and_the_next_is_made(
    server: ServerData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SurroundingsError):
        make_backup(ServerData(server.directory, "postgresql://127.0.0.1:1/none"), tmp_path / "b")
    assert list((tmp_path / "b").iterdir()) == []
    monkeypatch.chdir(tmp_path)
    assert sorted(make_backup(data_in(Path("data")), tmp_path / "b").files) == [ENGINE, STORE]


def test_commands_back_up_and_restore(server: ServerData, tmp_path: Path, capsys) -> None:
    for arguments in (
        ["backup", str(tmp_path / "backup"), "--data", str(server.directory)],
        ["restore", str(tmp_path / "backup"), "--data", str(tmp_path / "again")],
    ):
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        assert ended.value.code in (0, None)
    printed = capsys.readouterr().out
    assert f"Backed up to {tmp_path / 'backup'}: {ENGINE}, {STORE}." in printed
    assert f"{tmp_path / 'again'} has the data of" in printed
    assert (tmp_path / "again" / STORE).is_file()
