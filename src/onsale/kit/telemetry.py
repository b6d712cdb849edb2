"""Logs and metrics. Metrics are right with several processes: each writes its own files, `/metrics` adds them up.

A metric is declared where it is counted, through `counter`, `gauge` or `histogram`, which also list it in METRICS: a
test holds that list and docs/metrics.md together.
"""

import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import prometheus_client
import structlog
from prometheus_client import multiprocess

log = structlog.get_logger("onsale")

Counter = prometheus_client.Counter
Histogram = prometheus_client.Histogram

METRICS: dict[str, str] = {}
"""Name -> what it means, of every metric declared so far."""

# Latencies people notice lie between 1 ms and 10 s; the budgets of design.md section 9 are among the bounds.
LATENCY_BUCKETS_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 3.0, 10.0)
BATCH_BUCKETS = (1, 2, 4, 8, 16, 32, 64, 128, 256)


def counter(name: str, meaning: str, labels: Sequence[str] = ()) -> Counter:
    METRICS[name] = meaning
    return Counter(name, meaning, labels)


def histogram(
    name: str, meaning: str, labels: Sequence[str] = (), buckets: Sequence[float] = LATENCY_BUCKETS_S
) -> Histogram:
    METRICS[name] = meaning
    return Histogram(name, meaning, labels, buckets=tuple(buckets))


def observe_many(histogram: Histogram, buckets: Sequence[int], total: float) -> None:
    """What so many calls of `observe` do, by the number of values in each bucket and the sum of them all.

    The client has no such call. What it counts in is not documented; tests/unit/kit/test_tally.py holds us to it.
    """
    for bucket, count in zip(histogram._buckets, buckets, strict=True):
        if count:
            bucket.inc(count)
    histogram._sum.inc(total)


def gauge(name: str, meaning: str) -> prometheus_client.Gauge:
    """What there is now, added up over the processes that live (see `forget_process`)."""
    METRICS[name] = meaning
    return prometheus_client.Gauge(name, meaning, multiprocess_mode="livesum")


def forget_process(pid: int, folder: Path) -> None:
    """What a dead process last said in its gauges is no longer so; its counters stay. `folder` is where it wrote."""
    multiprocess.mark_process_dead(pid, str(folder))  # type: ignore[no-untyped-call]


def exposition() -> tuple[bytes, str]:
    """All processes' metrics as text, and its content type."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return prometheus_client.generate_latest(), prometheus_client.CONTENT_TYPE_LATEST
    registry = prometheus_client.CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return prometheus_client.generate_latest(registry), prometheus_client.CONTENT_TYPE_LATEST


def configure(level: str, form: str) -> None:
    """Set up logging for this process: one line an entry, to standard error, never a secret in it."""
    renderer: structlog.types.Processor = structlog.processors.JSONRenderer() if form == "json" else _for_people()
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, structlog.processors.format_exc_info, renderer] if form == "json" else [*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(level=max(logging.getLevelNamesMapping()[level.upper()], logging.WARNING), stream=sys.stderr)


def _for_people() -> structlog.types.Processor:
    """Tracebacks are plain: with the values of variables they would show secrets, and take seconds to write."""
    colors = sys.stderr.isatty()
    return structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=structlog.dev.plain_traceback)
