"""The engine: durable runs of checks on DBOS, what starts them, and what they came to."""

from bot.engine.collector import Collector
from bot.engine.dispatcher import Dispatcher
from bot.engine.engine import Engine, Running, requeue_runs
from bot.engine.job import Checker, CheckJob, PredictedCheck
from bot.engine.links import LINK_FIELD, CheckLinks, LinkKeys
from bot.engine.merged import MergedChanges
from bot.engine.steps import CheckSteps

__all__ = [
    "LINK_FIELD",
    "CheckJob",
    "CheckLinks",
    "CheckSteps",
    "Checker",
    "Collector",
    "Dispatcher",
    "Engine",
    "LinkKeys",
    "MergedChanges",
    "PredictedCheck",
    "Running",
    "requeue_runs",
]
