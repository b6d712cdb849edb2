"""Statements that travel together: psycopg's pipeline, but what needs no answer leaves with what does.

psycopg sends each statement of a pipeline by itself, and a server that has just gone to sleep is woken for every one:
on two cores a batch of holds spent a fifth of its time in a dozen sends. Held back, a round trip is one packet.

This overrides generators of `psycopg.AsyncPipeline` that are not documented, so tests/integration/kit/test_packets.py
counts the packets: should another psycopg do it differently, that test says so.
"""

from collections.abc import Generator
from typing import Any

import psycopg
from psycopg.generators import send


class Packets(psycopg.AsyncPipeline):
    """A pipeline that sends when a result is fetched, or at its end."""

    def _communicate_gen(self) -> Generator[Any, Any, None]:
        """After each statement: put it into libpq's buffer. Nothing is sent, so there is nothing to wait for."""
        while self.command_queue:
            self.command_queue.popleft()()
        return
        yield

    def _fetch_gen(self, *, flush: bool) -> Generator[Any, Any, None]:
        """Where results are wanted. `flush` asks the server not to keep them back; else a sync has done so."""
        if not flush:
            yield from send(self.pgconn)
        yield from super()._fetch_gen(flush=flush)

    def _exit_gen(self) -> Generator[Any, Any, None]:
        """A sync, which also makes the server answer everything."""
        self._enqueue_sync()
        yield from self._communicate_gen()
        yield from self._fetch_gen(flush=False)
