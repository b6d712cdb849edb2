"""Background jobs: deferred in our own transaction, run by the worker, tried again with growing pauses (procrastinate).

A job is a name and plain values. One that has failed for good stays in the table as `failed`, is logged and counted.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

import procrastinate

from onsale import limits
from onsale.kit import clock, db, tasks, telemetry

Work = Callable[[dict[str, Any]], Awaitable[None]]

jobs_rescued = telemetry.counter(
    "onsale_jobs_rescued_total", "Jobs taken over from a worker that died at them.", ["job"]
)
job_failures = telemetry.counter(
    "onsale_job_failures_total", "Runs of a job that raised; most are tried again.", ["job"]
)


class Jobs:
    """The job queue of one process: any may defer, the worker runs."""

    def __init__(self, database_url: str) -> None:
        connector = procrastinate.PsycopgConnector(
            conninfo=database_url,
            min_size=1,
            max_size=limits.JOB_CONNECTIONS_MAX,
            timeout=limits.CONNECTION_WAIT_S,
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
        """Run jobs until cancelled, or until none is left (`until_empty`, for tests and one-off commands).

        Cancelled, it finishes the jobs it is at, within the grace; a second cancellation does not tear them.
        """
        async with self._app.open_async():
            work = self._app.run_worker_async(
                concurrency=concurrency,
                wait=not until_empty,
                listen_notify=not until_empty,
                install_signal_handlers=False,
                delete_jobs="successful",
                shutdown_graceful_timeout=limits.JOBS_GRACE_S,
            )
            await self._rescue()
            working = tasks.spawn(work, name="jobs")
            rescuing = tasks.spawn(self._rescue_for_ever(), name="rescue jobs")
            try:
                await asyncio.shield(working)
            finally:
                working.cancel()
                await _end_of(working)
                await tasks.cancel(rescuing)

    async def _rescue_for_ever(self) -> None:
        while True:
            await clock.sleep(limits.JOBS_RESCUE_EVERY_S)
            try:
                await self._rescue()
            except procrastinate.exceptions.ConnectorException as error:
                telemetry.log.warning("jobs_not_rescued", error=str(error))

    async def _rescue(self) -> None:
        """Give the jobs of workers that died to those that live: a killed worker leaves its jobs as `doing`."""
        manager = self._app.job_manager
        for job in await manager.get_stalled_jobs(seconds_since_heartbeat=limits.JOBS_RESCUE_AFTER_S):
            jobs_rescued.labels(job.task_name).inc()
            await manager.retry_job(job)


async def _end_of(task: asyncio.Task[None]) -> None:
    """Wait for the end of a task, whoever cancels us meanwhile: what it is at must be written down."""
    while not task.done():
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.wait({task})
