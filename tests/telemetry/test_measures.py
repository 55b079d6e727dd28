"""Counts and durations that gather where the work is done."""

import pytest
from prometheus_client.parser import text_string_to_metric_families

from bot.telemetry.measures import looked_up, take_measures, timed
from bot.telemetry.metrics import add_measures, forge_answered, metrics_text


def value(name: str, **labels: str) -> float:
    """A sample of this process's metrics; 0 where there is none."""
    for family in text_string_to_metric_families(metrics_text().decode()):
        for sample in family.samples:
            if sample.name == name and sample.labels == labels:
                return sample.value
    return 0.0


def test_what_is_measured_is_taken_once() -> None:
    take_measures()
    looked_up("pools", hit=True)
    looked_up("pools", hit=False)
    looked_up("pools", hit=True)

    @timed("solve")
    def fails() -> None:
        raise ValueError

    with pytest.raises(ValueError):
        fails()
    measures = take_measures()
    assert measures.lookups == {("pools", True): 2, ("pools", False): 1}
    assert measures.times == {"solve": 1}
    assert measures.seconds["solve"] > 0
    assert take_measures().lookups == {}


def test_measures_of_a_compute_process_are_added_to_its_owners() -> None:
    hits = value("minimize_cache_lookups_total", cache="builds", result="hit")
    seconds = value("minimize_work_seconds_total", work="build")
    take_measures()
    looked_up("builds", hit=True)
    with timed("build"):
        pass
    add_measures(take_measures())
    assert value("minimize_cache_lookups_total", cache="builds", result="hit") == hits + 1
    assert value("minimize_work_seconds_total", work="build") > seconds


def test_an_answer_of_a_forge_says_how_many_calls_are_left() -> None:
    forge_answered("api.example", 201, "4321", "5000")
    forge_answered("api.example", 500, None, None)
    forge_answered("api.example", 429, "none", "5000")
    assert value("minimize_forge_calls_left", host="api.example") == 4321
    assert value("minimize_forge_calls_limit", host="api.example") == 5000
    assert value("minimize_forge_requests_total", host="api.example", status="2xx") == 1
    assert value("minimize_forge_requests_total", host="api.example", status="4xx") == 1
