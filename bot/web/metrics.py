"""The metrics that Prometheus reads at /metrics: the server's own, and those of its process."""

from __future__ import annotations

import time
from datetime import datetime

from aiohttp import web
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from bot.engine.desired import Backlog, Desired, DesiredComment, DesiredStatuses
from bot.engine.inspection import EngineFigures
from bot.errors import SurroundingsError
from bot.model.result_json import check_from_json
from bot.store.records import CheckRecord
from bot.store.store import Store
from bot.telemetry.metrics import SECONDS, metrics_text
from bot.telemetry.traces import Attribute, record_span

CONTENT_TYPE = "text/plain; version=0.0.4"


class Metrics:
    """The metrics that only the server has, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.webhooks = self._counter(
            "minimize_webhooks_total",
            "Webhook requests by forge type and HTTP status; repeats counted apart.",
            "forge", "status", "repeat",
        )  # fmt: skip
        self.webhook_seconds = Histogram(
            "minimize_webhook_seconds",
            "Seconds from a webhook's last byte to its answer.",
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5),
            registry=self.registry,
        )
        self.deliveries = self._gauge(
            "minimize_deliveries", "Stored deliveries, by state; failed ones are given up.", "state"
        )
        self.delivery_age = self._gauge(
            "minimize_delivery_age_seconds", "Age of the oldest delivery that is not handled."
        )
        self.checks = self._counter(
            "minimize_checks_total", "Checks that ended, by stage reached and verdict.",
            "stage", "verdict",
        )  # fmt: skip
        self.open_checks = self._gauge("minimize_open_checks", "Checks not over yet.")
        self.first_status_seconds = self._seconds("first_status", "the first status on the forge")
        self.first_comment_seconds = self._seconds("first_comment", "the first comment there")
        self.prediction_seconds = self._seconds("prediction", "the prediction")
        self.check_seconds = self._seconds("check", "the check's end")
        self.builds = self._counter(
            "minimize_builds_total", "Builds of checks that ended, by architecture and outcome.",
            "arch", "outcome",
        )  # fmt: skip
        self.build_seconds = Histogram(
            "minimize_build_seconds",
            "Seconds of those that were not in the cache.",
            ["arch"],
            buckets=SECONDS,
            registry=self.registry,
        )
        self.queued = self._gauge("minimize_queued_runs", "Runs that wait, by queue.", "queue")
        self.queue_age = self._gauge(
            "minimize_queue_age_seconds", "Age of the oldest run that waits, by queue.", "queue"
        )
        self.runs = self._gauge(
            "minimize_runs",
            "Workflows in the engine, by state: waiting, running, done, failed, stopped.",
            "state",
        )
        self.processes = self._gauge(
            "minimize_processes_alive",
            "1 for each process of the engine (the server, workers) that has a lease.",
            "process",
        )
        self.outbox_waiting = self._gauge(
            "minimize_outbox_waiting",
            "Comments and statuses that a forge does not have yet.",
            "forge",
        )
        self.outbox_age = self._gauge(
            "minimize_outbox_age_seconds", "Age of the oldest of these.", "forge"
        )

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(name, text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(name, text, labels, registry=self.registry)

    def _seconds(self, name: str, until: str) -> Histogram:
        return Histogram(
            f"minimize_{name}_seconds",
            f"Seconds from the webhook to {until}.",
            buckets=SECONDS,
            registry=self.registry,
        )

    def observe(self, what: str, check: CheckRecord) -> None:
        """Record the durations of a check that was predicted or has ended."""
        if what == "predicted":
            self.prediction_seconds.observe(_between(check.created, check.predicted))
        elif what == "finished":
            self.checks.labels(check.stage, check.verdict or "none").inc()
            self.check_seconds.observe(_between(check.created, check.finished))
            self._observe_builds(check)
            record_check(check)

    def _observe_builds(self, check: CheckRecord) -> None:
        builds = check_from_json(check.result).builds if check.result else ()
        for build in builds:
            self.builds.labels(build.arch, build.outcome).inc()
            if build.seconds is not None and build.outcome != "cached":
                self.build_seconds.labels(build.arch).observe(build.seconds)

    def settled(self, store: Store, desired: Desired) -> None:
        """Record that a forge has a status or a comment, the first of its check. Blocks."""
        if isinstance(desired, DesiredComment):
            if desired.check and (first := store.record_first(desired.check, "first_comment")):
                self.first_comment_seconds.observe(_between(first.created, first.first_comment))
        elif isinstance(desired, DesiredStatuses):
            shown = desired.shown
            if shown and (first := store.record_first(shown.check, "first_status")):
                self.first_status_seconds.observe(_between(first.created, first.first_status))

    def show_store(self, store: Store) -> None:
        """Set the metrics of the store. Blocks."""
        counts = store.delivery_counts()
        for state in ("new", "done", "ignored", "failed"):
            self.deliveries.labels(state).set(counts.get(state, 0))
        oldest = store.oldest_new_delivery()
        self.delivery_age.set(0.0 if oldest is None else _age(oldest))
        self.open_checks.set(len(store.open_checks()))

    def show_engine(self, figures: EngineFigures) -> None:
        """Set the metrics of the engine's database."""
        for name, queue in figures.queues.items():
            self.queued.labels(name).set(queue.waiting)
            self.queue_age.labels(name).set(queue.seconds)
        for state, count in figures.states.items():
            self.runs.labels(state).set(count)
        self.processes.clear()
        for process in figures.processes:
            self.processes.labels(process).set(1)

    def show_outbox(self, backlog: dict[str, Backlog], forges: tuple[str, ...]) -> None:
        """Set the number of messages that wait for each forge, and the age of the oldest."""
        for forge in forges:
            waiting = backlog.get(forge, Backlog(0, 0.0))
            self.outbox_waiting.labels(forge).set(waiting.waiting)
            self.outbox_age.labels(forge).set(waiting.seconds)

    def text(self) -> bytes:
        """The metrics in Prometheus' text format, with those of the process."""
        return generate_latest(self.registry) + metrics_text()


async def start_metrics_listener(host: str, port: int) -> web.AppRunner:
    """Serve the metrics of a worker at /metrics until the returned value is cleaned up."""

    async def numbers(_request: web.Request) -> web.Response:
        return web.Response(body=metrics_text(), headers={"Content-Type": CONTENT_TYPE})

    application = web.Application()
    application.router.add_get("/metrics", numbers)
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError as error:
        await runner.cleanup()
        raise SurroundingsError(
            f"The metrics cannot be served on {host}:{port}: {error.strerror or error}.",
            "Choose another metrics.port in the settings, or stop what uses it.",
        ) from error
    return runner


def record_check(check: CheckRecord) -> None:
    """Record the span of a check that has ended, in the trace of its delivery."""
    start, end = _seconds_of(check.created), _seconds_of(check.finished or check.created)
    attributes: dict[str, Attribute] = {
        "run": check.id,
        "repository": check.repository,
        "number": check.number,
        "stage": check.stage,
        "verdict": check.verdict or "none",
    }
    record_span("check", check.delivery or check.id, start, end, attributes)


def _seconds_of(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def _age(text: str) -> float:
    return max(0.0, time.time() - _seconds_of(text))


def _between(first: str, second: str | None) -> float:
    return 0.0 if second is None else max(0.0, _seconds_of(second) - _seconds_of(first))
