"""Fewer wake-ups of a busy process, as network cards moderate their interrupts.

Between two requests a process that keeps up goes to sleep and is woken, which costs the machine as much as a small
request; in virtual machines above all. So a busy process that has little to do stands still for a millisecond now and
then, and what comes meanwhile it finds together. One that is behind finds much each time as it is, and does not stand
still; a quiet one never does.
"""

import asyncio

from onsale import limits
from onsale.kit import clock

# A busy process sees a whole sample within this time.
_SAMPLE_S = limits.MODERATION_SAMPLE_MAX / limits.MODERATION_FROM_PER_S


class Moderation:
    """One for a process: it is told of each request, and makes the loop stand still."""

    def __init__(self) -> None:
        self._counted = 0
        self._counted_since_s = 0.0
        self._busy = False
        self._found = 0
        self._due = False

    def came(self) -> None:
        """A request came. Cheap, for it is called at every one."""
        self._found += 1
        self._counted += 1
        if self._counted == limits.MODERATION_SAMPLE_MAX:
            now_s = clock.monotonic()
            self._busy = now_s - self._counted_since_s < _SAMPLE_S
            self._counted, self._counted_since_s = 0, now_s
        if self._busy and not self._due:
            self._due = True
            # In the next round of the loop, behind those who came together with this one.
            asyncio.get_running_loop().call_soon(self._stand_still)

    def _stand_still(self) -> None:
        self._due = False
        # A rush that has ended leaves a sample that never fills.
        self._busy = clock.monotonic() - self._counted_since_s < _SAMPLE_S
        if self._busy and self._found <= limits.MODERATION_FOUND_MAX:
            clock.stand_still(limits.MODERATION_PAUSE_S)
        self._found = 0
