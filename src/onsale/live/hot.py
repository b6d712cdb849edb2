"""The live map's endpoint: a WebSocket that only speaks."""

import asyncio

from onsale.catalog import Catalog, parse_event_id
from onsale.kit import ids, sockets, tasks, telemetry
from onsale.kit.problems import Problem
from onsale.live.channel import Channel
from onsale.live.model import Mark, parse_mark
from onsale.live.service import Live

messages = telemetry.counter("onsale_live_messages_total", "Messages sent to viewers of live maps.")


class LiveEndpoints:
    def __init__(self, live: Live, catalog: Catalog) -> None:
        self._live = live
        self._catalog = catalog

    async def live(self, socket: sockets.Socket) -> None:
        """What changes on the map after the picture named in `since`, until the viewer leaves."""
        since = parse_mark(socket.request.query.get("since", ""))
        event = await self._catalog.event(parse_event_id(socket.request.path["event"]))
        async with self._live.watching(ids.shard_of(event.event_id)) as channel:
            await socket.accept()
            await _watch(socket, channel, since)


async def _watch(socket: sockets.Socket, channel: Channel, since: Mark) -> None:
    """Speak until the stream ends, the viewer leaves, or says something: there is nothing to say here."""
    telling = tasks.spawn(_tell(socket, channel, since), name="tell a viewer")
    hearing = tasks.spawn(socket.heard(), name="hear a viewer")
    try:
        await asyncio.wait((telling, hearing), return_when=asyncio.FIRST_COMPLETED)
    finally:
        await tasks.cancel(telling, hearing)
    if not telling.cancelled():
        await socket.close(*telling.result())
    elif hearing.result():
        await socket.close(sockets.UNWELCOME, "nothing is to be said here")


async def _tell(socket: sockets.Socket, channel: Channel, mark: Mark) -> tuple[int, str]:
    """Everything from `mark` on, until a resync or the end of the channel: with which code and reason to close."""
    try:
        message = channel.start(mark) or await channel.after(mark)
        while True:
            await socket.say(message.text)
            messages.inc()
            if message.last:
                break
            message = await channel.after(message.mark)
    except Problem as problem:
        return sockets.TRY_LATER, problem.code
    except sockets.Gone:
        pass
    return sockets.DONE, ""
