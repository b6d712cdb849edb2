"""Background tasks that are never lost: kept while they run, and their death is logged.

A bare `asyncio.create_task` may be collected while it runs, and swallows what it raised.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any

from onsale.kit import telemetry

_CANCEL_AGAIN_S = 0.5

_running: set[asyncio.Task[Any]] = set()


def spawn(work: Coroutine[Any, Any, Any], *, name: str) -> asyncio.Task[Any]:
    """Start `work` beside the caller. An exception in it is logged with the task's name."""
    task = asyncio.get_running_loop().create_task(work, name=name)
    _running.add(task)
    task.add_done_callback(_ended)
    return task


def _ended(task: asyncio.Task[Any]) -> None:
    _running.discard(task)
    if not task.cancelled() and (error := task.exception()):
        telemetry.log.error("task_died", task=task.get_name(), error=repr(error), exc_info=error)


async def cancel(*tasks: asyncio.Task[Any]) -> None:
    """Cancel, and again, until each has really ended.

    Before Python 3.12 a cancellation that meets the end of an `asyncio.wait_for` is lost (the pools use it), and a task
    that loops for ever would then be waited for that long.
    """
    waiting = {task for task in tasks if not task.done()}
    while waiting:
        for task in waiting:
            task.cancel()
        _, waiting = await asyncio.wait(waiting, timeout=_CANCEL_AGAIN_S)
