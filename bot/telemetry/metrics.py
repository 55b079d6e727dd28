"""The metrics of a process of the engine, server or worker, and of its compute processes.

Those of the server's store and the shared database are in `bot.web.metrics`.
"""

from __future__ import annotations

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)

from bot.telemetry.measures import Measures, take_measures

SECONDS = (0.1, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600)
REGISTRY = CollectorRegistry()
ProcessCollector(registry=REGISTRY)

STEP_SECONDS = Histogram(
    "minimize_step_seconds",
    "Seconds of each try of a run's step.",
    ["step"],
    buckets=SECONDS,
    registry=REGISTRY,
)
STEP_TRIES = Counter(
    "minimize_step_tries_total",
    "Tries of steps: ok, again (may help), away (forge), died, stop, gone, failed (a bug).",
    ["step", "outcome"],
    registry=REGISTRY,
)
STEP_RETRIES = Counter(
    "minimize_step_retries_total", "Tries of steps after the first.", ["step"], registry=REGISTRY
)
DELIVERIES = Counter(
    "minimize_deliveries_handled_total",
    "Deliveries by result: done, ignored, failed (given up), postponed to another try.",
    ["forge", "result"],
    registry=REGISTRY,
)
FORGE_WRITES = Counter(
    "minimize_forge_writes_total",
    "Writes by kind (status, comment, ...) and result: written, again (later), given_up,"
    " dropped (obsolete).",
    ["kind", "result"],
    registry=REGISTRY,
)
COMPUTE_PROCESSES = Gauge(
    "minimize_compute_processes",
    "Compute processes by state: busy, idle.",
    ["state"],
    registry=REGISTRY,
)
COMPUTE_BYTES = Gauge(
    "minimize_compute_resident_bytes", "Resident bytes of the compute processes.", registry=REGISTRY
)
COMPUTE_ENDED = Counter(
    "minimize_compute_processes_ended_total",
    "Compute processes that ended before their answer.",
    registry=REGISTRY,
)
CACHE_LOOKUPS = Counter(
    "minimize_cache_lookups_total",
    "Lookups in caches, by hit or miss.",
    ["cache", "result"],
    registry=REGISTRY,
)
WORK_TIMES = Counter(
    "minimize_work_total",
    "Number of times that a kind of work was done.",
    ["work"],
    registry=REGISTRY,
)
WORK_SECONDS = Counter(
    "minimize_work_seconds_total", "Seconds that a kind of work took.", ["work"], registry=REGISTRY
)
FORGE_REQUESTS = Counter(
    "minimize_forge_requests_total",
    "Requests to a forge's API by host and class of status (2xx, 4xx, ...).",
    ["host", "status"],
    registry=REGISTRY,
)
FORGE_CALLS_LEFT = Gauge(
    "minimize_forge_calls_left",
    "Requests left until a forge's rate limit is reset, by its last answer.",
    ["host"],
    registry=REGISTRY,
)
FORGE_CALLS_LIMIT = Gauge(
    "minimize_forge_calls_limit",
    "The limit of requests of a forge's API, by its last answer.",
    ["host"],
    registry=REGISTRY,
)

RETAINED_BYTES = Gauge(
    "minimize_retained_bytes", "Bytes of each kind of data after the last sweep.", ["kind"],
    registry=REGISTRY,
)  # fmt: skip
REMOVED = Counter(
    "minimize_removed_total", "Entries deleted by age or size.", ["kind"], registry=REGISTRY
)
SWEEPS = Counter(
    "minimize_sweeps_total", "Sweeps of each kind: done, failed.", ["kind", "result"],
    registry=REGISTRY,
)  # fmt: skip


def add_measures(measures: Measures) -> None:
    """Add a compute process's measures to the metrics."""
    for (cache, hit), count in measures.lookups.items():
        CACHE_LOOKUPS.labels(cache, "hit" if hit else "miss").inc(count)
    for work, count in measures.times.items():
        WORK_TIMES.labels(work).inc(count)
    for work, seconds in measures.seconds.items():
        WORK_SECONDS.labels(work).inc(seconds)


def forge_answered(host: str, status: int, left: str | None, limit: str | None) -> None:
    """Count an answer of a forge's API; `left` and `limit` are its rate limit headers."""
    FORGE_REQUESTS.labels(host, f"{status // 100}xx").inc()
    for gauge, text in ((FORGE_CALLS_LEFT, left), (FORGE_CALLS_LIMIT, limit)):
        if text is not None and text.isascii() and text.isdigit():
            gauge.labels(host).set(int(text))


def metrics_text() -> bytes:
    """The metrics of this process in Prometheus' text format."""
    add_measures(take_measures())
    return generate_latest(REGISTRY)
