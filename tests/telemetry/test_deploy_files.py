"""The alert rules and the dashboard of deploy/: they are valid, and their metrics are there."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from bot.telemetry.metrics import REGISTRY
from bot.web.metrics import Metrics

DEPLOY = Path(__file__).parents[2] / "deploy"
ALERTS = DEPLOY / "alerts.yml"
DASHBOARD = DEPLOY / "grafana.json"
# Prometheus' own.
_OTHERS = {"up"}


def rules() -> list[dict]:
    groups = yaml.safe_load(ALERTS.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def panels() -> list[dict]:
    return json.loads(DASHBOARD.read_text())["panels"]


def known_metrics() -> set[str]:
    """The names of all samples that a server and a worker may serve."""
    names: set[str] = set()
    for registry in (REGISTRY, Metrics().registry):
        for family in registry.collect():
            ends = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count")}
            names.update(family.name + end for end in ends.get(family.type, ("",)))
    return names


def named_metrics(expression: str) -> set[str]:
    """The metrics that an expression of PromQL names."""
    bare = re.sub(r"\{[^}]*\}|\[[^]]*\]|\b(by|without|on) \([^)]*\)", "", expression)
    words = re.findall(r"\b[a-z_][a-z0-9_]*\b(?!\s*\()", bare)
    return {word for word in words if word not in ("by", "unless", "and", "or")}


EXPRESSIONS = [
    *((rule["alert"], rule["expr"]) for rule in rules()),
    *((panel["title"], target["expr"]) for panel in panels() for target in panel["targets"]),
]


@pytest.mark.parametrize(("where", "expression"), EXPRESSIONS)
def test_every_metric_that_is_asked_for_is_served(where: str, expression: str) -> None:
    named = named_metrics(expression)
    assert named, where
    assert named <= known_metrics() | _OTHERS


def test_every_metric_of_ours_is_on_the_dashboard_or_in_an_alert() -> None:
    asked = {name for _, expression in EXPRESSIONS for name in named_metrics(expression)}
    families = {re.sub("_(bucket|sum|count)$", "", name) for name in asked}
    ours = {n for n in known_metrics() if n.startswith("minimize_")}
    served = {re.sub("_(bucket|sum|count)$", "", name) for name in ours}
    assert served - families == set()


def test_alerts_have_what_a_person_reads() -> None:
    for rule in rules():
        assert rule["alert"].startswith("Minimize")
        assert rule["annotations"]["summary"]
        assert rule["labels"]["severity"] in ("warning", "critical")


def test_the_dashboard_can_be_imported() -> None:
    dashboard = json.loads(DASHBOARD.read_text())
    ids = [panel["id"] for panel in dashboard["panels"]]
    assert len(ids) == len(set(ids))
    assert dashboard["templating"]["list"][0]["type"] == "datasource"
    places = [(p["gridPos"]["x"], p["gridPos"]["y"]) for p in dashboard["panels"]]
    assert len(places) == len(set(places))


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool is not installed")
def test_promtool_takes_the_rules() -> None:
    done = subprocess.run(
        ["promtool", "check", "rules", str(ALERTS)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
