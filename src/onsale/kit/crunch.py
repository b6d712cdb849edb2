"""Work that would hold up the event loop, in few threads, each kind in its own and none with an endless queue.

Not in asyncio's default threads: they are shared by everything, so that a mail server that hangs would stop pictures.
"""

import asyncio
import contextlib
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from onsale import limits
from onsale.kit.problems import Overloaded

Given = ParamSpec("Given")
Made = TypeVar("Made")

# The kernel's own scale: 19 takes what others leave.
_LOWEST_PRIORITY = 19


def _step_back() -> None:
    """Linux counts priority per thread. Where that is refused, the work is only less polite."""
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _LOWEST_PRIORITY)


class Threads:
    """At most so many threads, and so much work in them and waiting for them. With `polite`, the sale goes first."""

    def __init__(self, name: str, threads_max: int, work_max: int, *, polite: bool = False) -> None:
        self._pool = ThreadPoolExecutor(threads_max, name, initializer=_step_back if polite else None)
        self._places = threading.BoundedSemaphore(work_max)

    async def run(self, function: Callable[Given, Made], *given: Given.args, **named: Given.kwargs) -> Made:
        """The function's result. Raises Overloaded at once when too much waits already, and what the function raises.

        Who stops waiting for a function that runs leaves it running, and its place taken until it ends.
        """
        if not self._places.acquire(blocking=False):
            raise Overloaded
        work = self._pool.submit(function, *given, **named)
        work.add_done_callback(lambda _: self._places.release())
        return await asyncio.wrap_future(work)


# Letters with tickets: nobody looks at a page waiting for them.
_letters = Threads("crunch", limits.CRUNCH_THREADS_MAX, limits.CRUNCH_WORK_MAX, polite=True)
# Tickets that somebody is looking at.
_pictures = Threads("draw", limits.DRAW_THREADS_MAX, limits.DRAW_WORK_MAX)


async def crunch(function: Callable[Given, Made], *given: Given.args, **named: Given.kwargs) -> Made:
    """The function's result, made when there is time for it."""
    return await _letters.run(function, *given, **named)


async def draw(function: Callable[Given, Made], *given: Given.args, **named: Given.kwargs) -> Made:
    """The function's result, for a person who waits for it now."""
    return await _pictures.run(function, *given, **named)
