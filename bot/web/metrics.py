"""The metrics that Prometheus reads at /metrics."""

from __future__ import annotations

from datetime import datetime

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)

from bot.store.records import CheckRecord

_SECONDS = (0.5, 1, 2, 3, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600)


class Metrics:
    """The bot's metrics, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.webhooks = Counter(
            "minimize_webhooks_total",
            "Webhook requests by forge type and HTTP status; repeats counted apart.",
            ["forge", "status", "repeat"],
            registry=self.registry,
        )
        self.webhook_seconds = Histogram(
            "minimize_webhook_seconds",
            "Seconds from a webhook's last byte to its answer.",
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5),
            registry=self.registry,
        )
        self.checks = Counter(
            "minimize_checks_total",
            "Checks that ended, by stage reached and verdict.",
            ["stage", "verdict"],
            registry=self.registry,
        )
        self.prediction_seconds = Histogram(
            "minimize_prediction_seconds",
            "Seconds from the webhook to the prediction.",
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.check_seconds = Histogram(
            "minimize_check_seconds",
            "Seconds from the webhook to the check's end.",
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.deliveries = Gauge(
            "minimize_deliveries", "Stored deliveries, by state.", ["state"], registry=self.registry
        )
        self.open_checks = Gauge(
            "minimize_open_checks", "Checks not over yet.", registry=self.registry
        )
        self.queued = Gauge(
            "minimize_queued_runs", "Runs that wait, by queue.", ["queue"], registry=self.registry
        )

    def observe(self, what: str, check: CheckRecord) -> None:
        """Record the durations of a check that was predicted or has ended."""
        if what == "predicted":
            self.prediction_seconds.observe(_between(check.created, check.predicted))
        elif what == "finished":
            self.checks.labels(check.stage, check.verdict or "none").inc()
            self.check_seconds.observe(_between(check.created, check.finished))

    def text(self) -> bytes:
        """The metrics in Prometheus' text format."""
        return generate_latest(self.registry)


def _between(first: str, second: str | None) -> float:
    if second is None:
        return 0.0
    seconds = datetime.fromisoformat(second) - datetime.fromisoformat(first)
    return max(0.0, seconds.total_seconds())
