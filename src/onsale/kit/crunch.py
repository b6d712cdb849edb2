"""CPU work that nobody waits for (pictures, PDFs), in threads of the lowest priority: the sale goes first."""

import asyncio
import contextlib
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from onsale import limits

Given = ParamSpec("Given")
Made = TypeVar("Made")

# The kernel's own scale: 19 takes what others leave.
_LOWEST_PRIORITY = 19


def _step_back() -> None:
    """Linux counts priority per thread. Where that is refused, the work is only less polite."""
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _LOWEST_PRIORITY)


_threads = ThreadPoolExecutor(limits.CRUNCH_THREADS_MAX, "crunch", initializer=_step_back)


async def crunch(function: Callable[Given, Made], *given: Given.args, **named: Given.kwargs) -> Made:
    """The function's result, made when there is time for it."""
    return await asyncio.get_running_loop().run_in_executor(_threads, lambda: function(*given, **named))
