"""What is counted in memory comes into the metrics as if each had been counted there."""

import prometheus_client
import pytest

from onsale import limits
from onsale.kit import clock, telemetry
from onsale.kit.tally import Tally

pytestmark = pytest.mark.anyio

TOOK_S = (0.0, 0.001, 0.0011, 0.05, 0.3, 9.9, 10.0, 11.0)


def metrics() -> tuple[prometheus_client.CollectorRegistry, prometheus_client.Counter, prometheus_client.Histogram]:
    registry = prometheus_client.CollectorRegistry()
    answers = prometheus_client.Counter("answers_total", "-", ["route", "status"], registry=registry)
    latency = prometheus_client.Histogram(
        "latency_seconds", "-", ["route"], registry=registry, buckets=telemetry.LATENCY_BUCKETS_S
    )
    return registry, answers, latency


def exposed(registry: prometheus_client.CollectorRegistry) -> list[str]:
    text = prometheus_client.generate_latest(registry).decode()
    return sorted(line for line in text.splitlines() if "_created" not in line)


async def test_it_comes_out_as_if_each_had_been_counted_in_the_metrics():
    one_by_one, answers, latency = metrics()
    tallied, tallied_answers, tallied_latency = metrics()
    tally = Tally(tallied_answers, tallied_latency)
    for number, took_s in enumerate(TOOK_S):
        route, status = ("hold", "map")[number % 2], (201, 409)[number % 3 == 0]
        answers.labels(route, status).inc()
        latency.labels(route).observe(took_s)
        tally.count(route, status, took_s)
    tally.write_down()
    assert exposed(tallied) == exposed(one_by_one)
    tally.write_down()
    assert exposed(tallied) == exposed(one_by_one), "nothing is counted twice"


async def test_it_is_written_down_by_itself_and_again(monkeypatch):
    monkeypatch.setattr(limits, "TALLY_EVERY_S", 0.0)
    registry, answers, latency = metrics()
    tally = Tally(answers, latency)
    for count in (1.0, 2.0):
        tally.count("hold", 201, 0.01)
        await clock.sleep(0.01)
        assert registry.get_sample_value("answers_total", {"route": "hold", "status": "201"}) == count
