"""Wake-ups between the processes of one engine, when one has queued or stopped a run. On SQLite all
are on one machine: each has a datagram socket in the data directory.

On Postgres each listens to a channel of the database. A lost message only delays a run to the next
poll.
"""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import psycopg
import sqlalchemy as sa

LOG = logging.getLogger(__name__)
# Messages: new work is queued; a run is stopped (its id follows).
QUEUED = "queued"
STOPPED = "stopped "
_CHANNEL = "minimize_wakeups"
_LONGEST = 7000  # bytes; Postgres takes 8000
_AGAIN = 2.0  # seconds until a lost connection is tried again
_LOOK = 5.0  # seconds between two checks whether to stop

Handler = Callable[[str], None]


class Wakeups(Protocol):
    """The interface of messages between an engine's processes."""

    def start(self, handler: Handler) -> None:
        """Call `handler` with the messages of others, in a thread, until `stop`."""
        ...

    def send(self, message: str) -> None:
        """Send a message to the others. Never raises: a process that misses it polls anyway."""
        ...

    def stop(self) -> None:
        """Stop listening."""
        ...


class SocketWakeups:
    """Datagram sockets in a directory, one for each process."""

    def __init__(self, directory: Path, name: str) -> None:
        self._directory = directory
        self._name = name
        self._socket: socket.socket | None = None
        self._thread: threading.Thread | None = None

    def start(self, handler: Handler) -> None:
        """See `Wakeups.start`."""
        self._directory.mkdir(parents=True, exist_ok=True)
        with self._reachable() as place:
            # A killed process of this name may have left one; the name is locked by now.
            (self._directory / self._name).unlink(missing_ok=True)
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self._socket.bind(f"{place}/{self._name}")
        self._thread = threading.Thread(
            target=self._listen, args=(self._socket, handler), name="wake-ups", daemon=True
        )
        self._thread.start()

    def send(self, message: str) -> None:
        """See `Wakeups.send`."""
        with (
            contextlib.suppress(OSError),
            self._reachable() as place,
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender,
        ):
            sender.setblocking(False)
            for other in self._directory.iterdir():
                # Full: it has wake-ups to handle. Refused: the process has ended.
                if other.name != self._name:
                    with contextlib.suppress(OSError):
                        sender.sendto(message.encode(), f"{place}/{other.name}")

    def stop(self) -> None:
        """See `Wakeups.stop`."""
        if self._socket is None:
            return
        self._socket.shutdown(socket.SHUT_RDWR)
        if self._thread is not None:
            self._thread.join(_LOOK)
        self._socket.close()
        self._socket = None
        (self._directory / self._name).unlink(missing_ok=True)

    @contextmanager
    def _reachable(self) -> Iterator[str]:
        """A short path to the directory: a socket's path is limited to 107 bytes."""
        descriptor = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY)
        try:
            yield f"/proc/self/fd/{descriptor}"
        finally:
            os.close(descriptor)

    @staticmethod
    def _listen(receiver: socket.socket, handler: Handler) -> None:
        while message := receiver.recv(_LONGEST):
            handler(message.decode())


class PostgresWakeups:
    """A channel of the database, LISTEN and NOTIFY."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, handler: Handler) -> None:
        """See `Wakeups.start`."""
        self._thread = threading.Thread(
            target=self._listen, args=(handler,), name="wake-ups", daemon=True
        )
        self._thread.start()

    def send(self, message: str) -> None:
        """See `Wakeups.send`."""
        try:
            with self._engine.begin() as connection:
                connection.execute(sa.select(sa.func.pg_notify(_CHANNEL, message)))
        except sa.exc.SQLAlchemyError as error:
            LOG.warning("a wake-up could not be sent: %s", error)

    def stop(self) -> None:
        """See `Wakeups.stop`."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(2 * _LOOK)

    def _listen(self, handler: Handler) -> None:
        url = self._engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
        while not self._stopping.is_set():
            try:
                with psycopg.connect(url, autocommit=True) as connection:
                    connection.execute(f"LISTEN {_CHANNEL}")
                    handler(QUEUED)  # messages may have come while it was not listening
                    while not self._stopping.is_set():
                        for note in connection.notifies(timeout=_LOOK, stop_after=1):
                            handler(note.payload)
            except psycopg.Error as error:
                LOG.warning("wake-ups are not received: %s", error)
                self._stopping.wait(_AGAIN)
