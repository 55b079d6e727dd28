"""The processes: the server, and an additional worker."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Coroutine
from functools import partial
from typing import Any, Literal

import sqlalchemy as sa
from aiohttp import web

from bot.distro.sharing import SharedDocuments
from bot.engine.collector import Collector
from bot.engine.compute_process import end_children
from bot.engine.database import prepared_url
from bot.engine.dispatcher import Dispatcher
from bot.engine.engine import Engine
from bot.engine.links import LinkKeys
from bot.engine.merged import MergedChanges
from bot.engine.outbox import open_outbox
from bot.engine.processes import Computing, Processes
from bot.engine.publishing import Publisher
from bot.engine.reconciler import Reconciler, record_comment
from bot.engine.results import open_results
from bot.engine.resync import Resync
from bot.engine.retention import Retention, ServerRetention
from bot.engine.steps import CheckSteps
from bot.errors import MinimizeError, SurroundingsError
from bot.forge.protocol import forge_module, open_forges
from bot.sandbox.cgroup import run_without_control_groups
from bot.sandbox.run import require_sandbox
from bot.sandbox.values import SandboxError
from bot.settings.values import Settings
from bot.stacks import write_stacks_on_sigusr1
from bot.store.deliveries import GroupWriter
from bot.store.history.history import open_history
from bot.store.repositories import Repositories
from bot.store.store import open_store
from bot.telemetry.logs import log_to_stderr
from bot.telemetry.traces import start_traces, stop_traces
from bot.temporary import sweep_temporary_directories
from bot.web.application import make_application
from bot.web.health import Health, probes_of
from bot.web.messages import Messages
from bot.web.metrics import Metrics, start_metrics_listener
from bot.web.waiting import Supervisor, database_answers

LOG = logging.getLogger(__name__)
_UPKEEP = 60.0
_GRACE = 10.0  # seconds for requests that are being answered


class Bot:
    """The server's parts; `start` and `stop` it on one event loop."""

    def __init__(self, settings: Settings, computing: Computing | None = None) -> None:
        self._settings = settings
        self._computing = computing or _processes(settings)
        self._tasks: list[asyncio.Task[None]] = []
        self._socket = _listen(settings)
        host, port = self._socket.getsockname()[:2]
        self.url = f"http://{f'[{host}]' if ':' in host else host}:{port}"
        self._forges = open_forges(settings)
        self._store = open_store(settings.data)
        self._history = open_history(self._store)
        self._health = Health(self._store, settings.data, self._tasks)
        self._metrics = Metrics()
        self._outbox = open_outbox(settings, "server")
        publisher = Publisher(self._outbox, open_results(settings, self._store), settings, self.url)
        steps = CheckSteps(self._forges, self._computing, settings, publisher)
        self._engine = Engine(steps, settings, "server")
        self._health.probes = probes_of(settings, self._store, self._engine)
        merged_changes = MergedChanges(self._store, self._history, settings)
        self._writer = GroupWriter(self._store)
        self._dispatcher = Dispatcher(
            self._store, self._forges, self._engine, settings, merged_changes, writer=self._writer
        )
        self._writer.on_written = self._dispatcher.wake
        self._collector = Collector(
            self._store, self._engine, merged_changes, self._metrics.observe
        )
        self._reconciler = Reconciler(
            self._outbox,
            self._forges,
            settings,
            on_comment=partial(record_comment, self._store),
            on_settled=partial(self._metrics.settled, self._store),
            is_gone=Repositories(self._store).is_gone,
        )
        self._resync = Resync(self._store, self._forges, settings, self._dispatcher.wake)
        self._messages = [
            Messages(
                name,
                forge_settings.messages,
                forge_module(forge_settings.type, "events").read_message,
                self._writer,
            )
            for name, forge_settings in settings.forges.items()
            if forge_settings.messages is not None
        ]
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        """Start the engine, then serve."""
        # Before the first request: recovering runs blocks for a moment.
        await self._engine.launch()
        self._health.launched = True
        self._start_loop("writer", self._writer.run())
        self._start_loop("dispatcher", self._dispatcher.run())
        self._start_loop("collector", self._collector.run())
        self._start_loop("reconciler", self._reconciler.run())
        self._start_loop("upkeep", self._upkeep())
        self._start_loop("resync", self._resync.run())
        for messages in self._messages:
            self._start_loop("messages", messages.run())
        by_type: dict[str, list[Any]] = {}
        for name, forge in self._settings.forges.items():
            by_type.setdefault(forge.type, []).append(self._forges[name])
        application = make_application(
            forges=by_type,
            writer=self._writer,
            store=self._store,
            history=self._history,
            logs=self._settings.cache,
            metrics=self._metrics,
            health=self._health,
            engine=self._engine,
            webhook_bytes=self._settings.limits.webhook_bytes,
            link_keys=LinkKeys.of(self._settings),
            # Browsers drop a secure cookie that is set without TLS.
            secure=not (self._settings.public_url or self.url).startswith("http://"),
            public_url=self._settings.public_url or "",
            shared_documents=_shared_documents(self._settings),
        )
        self._runner = web.AppRunner(application, shutdown_timeout=_GRACE, access_log=None)
        await self._runner.setup()
        # Objects so far stay: collecting them took longer than most pages.
        gc.collect()
        gc.freeze()
        await web.SockSite(self._runner, self._socket).start()
        LOG.info("serving on %s", self.url)

    async def stop(self) -> None:
        """Finish open requests, write accepted deliveries, end; runs continue after a restart."""
        self._health.stop()
        if self._runner is not None:
            await self._runner.cleanup()
        # The writer last: its deliveries are on disk before it ends.
        for task in reversed(self._tasks):
            task.cancel()
            # A failed one was logged, and must not keep the others from ending.
            await asyncio.wait([task])
        for forge in self._forges.values():
            await forge.close()
        await self._engine.stop()
        self._outbox.close()
        self._history.close()
        self._store.close()
        self._socket.close()

    def _start_loop(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name=name)
        task.add_done_callback(_log_if_failed)
        self._tasks.append(task)

    async def _upkeep(self) -> None:
        """Remove old data and end idle processes, periodically."""
        server = ServerRetention(self._store, self._engine, self._outbox)
        await _keep_up(self._computing, self._settings, Retention(self._settings, server))


def _shared_documents(settings: Settings) -> SharedDocuments | None:
    """The documents and the table of base images that anybody may read; null if nobody may."""
    if not settings.share_documents:
        return None
    return SharedDocuments(settings.config, tuple(dict(row) for row in settings.base_images))


async def _keep_up(computing: Computing, settings: Settings, retention: Retention) -> None:
    """Warm up; then, forever, remove old data and end idle processes."""
    await _warm_up(computing)
    while True:
        try:
            await retention.sweep_if_due()
            await asyncio.to_thread(_drop_unused, computing, settings)
        except Exception:
            # The next round may succeed.
            LOG.exception("the upkeep failed")
        await asyncio.sleep(_UPKEEP)


async def _warm_up(computing: Computing) -> None:
    """Start a process in advance; if that fails, the first check will report it."""
    try:
        await computing.warm_up()
    except MinimizeError as error:
        LOG.warning("warming up: %s", error)
    except Exception:
        # Checks can do without it, and old data must leave all the same.
        LOG.exception("warming up")


def _drop_unused(computing: Computing, settings: Settings) -> None:
    """End idle processes, remove what killed ones left, evict from the cache, and give free memory
    back."""
    from bot.distro.cache import Cache, tidy

    computing.drop_idle()
    sweep_temporary_directories()
    tidy(Cache(settings.cache))
    give_back_memory()


def give_back_memory() -> None:
    """Give freed memory of this process back to the system, if the C library can.

    glibc keeps it in arenas of several threads: 20 MB after a backlog of 300 checks.
    https://man7.org/linux/man-pages/man3/malloc_trim.3.html
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def _warn_of_sandbox(settings: Settings) -> None:
    """Log why checks or builds cannot succeed here, before the first of them."""
    engine = settings.engine
    builds = settings.build.enabled and engine.builds > 0
    if not settings.sandbox.memory_limit_required:
        run_without_control_groups()
    try:
        if engine.predictions or builds:
            require_sandbox()
    except SandboxError as error:
        LOG.warning("spec files cannot be evaluated or built here: %s %s", error.what, error.hint)
        return
    try:
        if builds:
            require_sandbox("root")
    except SandboxError as error:
        LOG.warning("builds cannot install packages here: %s %s", error.what, error.hint)


def serve_bot(settings: Settings) -> int:
    """`minimize serve`, until SIGTERM or SIGINT."""
    return _run(settings, "server", _serve(settings))


def run_worker(settings: Settings) -> int:
    """`minimize worker`: takes runs from the server's engine database, serves nothing."""
    return _run(settings, "worker", _work(settings))


def _run(
    settings: Settings, role: Literal["server", "worker"], process: Coroutine[Any, Any, None]
) -> int:
    log_to_stderr(settings.log.format)
    if settings.traces is not None:
        authorization = settings.traces.authorization
        headers = {} if authorization is None else {"authorization": authorization.value()}
        start_traces(settings.traces.endpoint, settings.executor_id(role), headers=headers)
    write_stacks_on_sigusr1(sys.stderr.fileno())
    _warn_of_sandbox(settings)
    sweep_temporary_directories()
    try:
        asyncio.run(process)
    except sa.exc.OperationalError as error:
        raise SurroundingsError(
            f"The engine's database answers no more: {error.orig}.",
            "Start again: its start waits until the database is there.",
        ) from error
    finally:
        end_children()
    stop_traces()
    return _exit_code()


async def _serve(settings: Settings) -> None:
    stop, supervisor = _stop_event(), Supervisor()
    url, listen = prepared_url(settings), partial(_listen, settings)
    if not await database_answers(url, stop, supervisor, listen):
        return
    bot = Bot(settings)
    try:
        await bot.start()
        supervisor.tell("READY=1")
        print(f"minimize serves on {bot.url}", file=sys.stderr, flush=True)
        await stop.wait()
    finally:
        await bot.stop()


async def _work(settings: Settings) -> None:
    stop, supervisor = _stop_event(), Supervisor()
    if not await database_answers(prepared_url(settings), stop, supervisor):
        return
    computing = _processes(settings)
    forges = open_forges(settings)
    outbox = open_outbox(settings, "worker")
    publisher = Publisher(outbox, open_results(settings), settings)
    steps = CheckSteps(forges, computing, settings, publisher)
    engine = Engine(steps, settings, "worker")
    listener = None
    if settings.metrics is not None:
        listener = await start_metrics_listener(settings.metrics.host, settings.metrics.port)
    await engine.launch()
    supervisor.tell("READY=1")
    print(f"minimize works as {engine.executor_id}{engine.builds}", file=sys.stderr, flush=True)
    upkeep = asyncio.create_task(_keep_up(computing, settings, Retention(settings)))
    try:
        await stop.wait()
    finally:
        upkeep.cancel()
        await asyncio.wait([upkeep])
        for forge in forges.values():
            await forge.close()
        await engine.stop()
        if listener is not None:
            await listener.cleanup()
        outbox.close()


def _processes(settings: Settings) -> Processes:
    from bot.engine.checker import LocalChecker

    engine, limits = settings.engine, settings.limits
    return Processes(
        partial(LocalChecker, settings),
        {
            "predictions": engine.predictions,
            "builds": engine.builds,
            "emulated": engine.builds,
        },
        memory=limits.process_bytes,
        log_format=settings.log.format,
    )


def _listen(settings: Settings) -> socket.socket:
    """The bound socket, so that the port is reserved before anything else starts."""
    host, port = settings.listen.host, settings.listen.port
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=1024)
    except OSError as error:
        raise SurroundingsError(
            f"The bot cannot listen on {host}:{port}: {error.strerror or error}.",
            "Choose another listen.port in the settings, or stop what uses it.",
        ) from error


def _stop_event() -> asyncio.Event:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    return stop


def _exit_code() -> int:
    """Return 0, or exit at once if a build still runs in a thread, which Python would wait for.

    The engine runs it again after the next start; its sandbox ends with this process.
    """
    busy = [t for t in threading.enumerate() if t is not threading.main_thread() and not t.daemon]
    if busy:
        LOG.info("%d steps are left for the next start", len(busy))
        logging.shutdown()
        os._exit(0)
    return 0


def _log_if_failed(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and task.exception() is not None:
        LOG.critical("the loop %s has ended", task.get_name(), exc_info=task.exception())
