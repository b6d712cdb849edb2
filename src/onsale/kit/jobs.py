"""Background jobs: deferred in our own transaction, run by the worker, tried again with growing pauses (procrastinate).

A job is a name and plain values. One that has failed for good stays in the table as `failed`, is logged and counted.
"""

from collections.abc import Awaitable, Callable
from typing import Any

import procrastinate

from onsale import limits
from onsale.kit import db, telemetry

Work = Callable[[dict[str, Any]], Awaitable[None]]

job_failures = telemetry.counter(
    "onsale_job_failures_total", "Runs of a job that raised; most are tried again.", ["job"]
)


class Jobs:
    """The job queue of one process: any may defer, the worker runs."""

    def __init__(self, database_url: str) -> None:
        connector = procrastinate.PsycopgConnector(
            conninfo=database_url, min_size=1, max_size=4, timeout=limits.CONNECTION_WAIT_S
        )
        self._app = procrastinate.App(connector=connector)
        self._tasks: dict[str, Any] = {}

    def register(self, name: str, work: Work) -> None:
        """Tell which function runs the jobs of this name. Every process of one version registers the same."""
        retry = procrastinate.RetryStrategy(max_attempts=limits.JOB_ATTEMPTS_MAX, exponential_wait=limits.JOB_WAIT_S)

        async def run(body: dict[str, Any]) -> None:
            try:
                await work(body)
            except Exception:
                job_failures.labels(name).inc()
                telemetry.log.exception("job_failed", job=name)
                raise

        self._tasks[name] = self._app.task(name=name, retry=retry)(run)

    async def defer(self, tx: db.Tx, name: str, body: dict[str, Any]) -> None:
        """Put a job into the caller's transaction: it exists when that commits, and not otherwise."""
        await self._tasks[name].configure(connection=tx).defer_async(body=body)

    async def run(self, *, concurrency: int, until_empty: bool = False) -> None:
        """Run jobs until cancelled, or until none is left (`until_empty`, for tests and one-off commands)."""
        async with self._app.open_async():
            await self._app.run_worker_async(
                concurrency=concurrency,
                wait=not until_empty,
                listen_notify=not until_empty,
                install_signal_handlers=False,
                delete_jobs="successful",
            )
