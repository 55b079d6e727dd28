"""A process in a network namespace of its own, which only reaches one port of this machine.

The port is forwarded over a Unix socket, like a tunnel to another machine: a relay outside connects
to the port, one inside listens on the same number.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import shutil
import signal
import socket
import struct
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
_HOST = "127.0.0.1"
# netdevice(7).
_SET_FLAGS, _UP_AND_RUNNING = 0x8914, 0x41


def can_isolate_network() -> bool:
    """Return whether this process may start another in a network namespace of its own."""
    return os.geteuid() == 0 and shutil.which("unshare") is not None


def isolated_command(port: int, place: Path, command: Sequence[str]) -> list[str]:
    """The command that runs another in a network namespace, with `port` forwarded by `place`."""
    inside = [sys.executable, "-m", "bot.demo.run.apart", str(port), str(place), *command]
    return ["unshare", "--net", "--", *inside]


@asynccontextmanager
async def forwarded_socket(port: int, place: Path) -> AsyncIterator[None]:
    """Forward the Unix socket `place` to a port of this machine, for a block."""
    relay = _relay(lambda: asyncio.open_connection(_HOST, port))
    server = await asyncio.start_unix_server(relay, path=place)
    try:
        yield
    finally:
        server.close()


def _relay(
    connect: Callable[[], Awaitable[Streams]],
) -> Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await connect()
        except OSError:
            writer.close()
            return
        await asyncio.gather(_copy(reader, far_writer), _copy(far_reader, writer))

    return serve


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


async def _run(port: int, place: Path, command: Sequence[str]) -> int:
    """Forward the port inside the namespace, and run the command to its end."""
    with socket.socket() as any_socket:
        up = struct.pack("16sh14x", b"lo", _UP_AND_RUNNING)
        fcntl.ioctl(any_socket, _SET_FLAGS, up)
    relay = _relay(lambda: asyncio.open_unix_connection(place))
    await asyncio.start_server(relay, _HOST, port)
    process = await asyncio.create_subprocess_exec(*command)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, process.terminate)
    return await process.wait()


if __name__ == "__main__":
    sys.exit(asyncio.run(_run(int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3:])))
