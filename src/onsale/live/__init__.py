"""The seat map's stream: what changed since the picture a viewer has, to everybody who watches, within a tick.

Who cannot be led from its picture to now is told so (`resync`) and takes a new one by GET, which a cache can share
among all. The alternative, to send the picture down the socket, costs the origin 25 KB a viewer: after a restart, with
100,000 viewers coming back in the same second, 2.5 GB from us instead of one answer a second from each cache.
Frames are not compressed: each viewer's compressor would cost memory, and do over again a text that is encoded once.

Invariants
    A picture and the messages after it make the picture of the version they name.     (model: merged, suits)
    No message shows a viewer an older state than it has.                               (channel: after)
    A viewer costs no queue and holds up nobody: it is a version, and a bounded buffer. (kit/stalls)
    A gap, another epoch, or too much to say is told as a resync, never as news.        (channel: catch_up)

Owns no tables.
"""

from onsale.live.errors import TooManyViewers
from onsale.live.ports import Delta, Picture, SeatChanges
from onsale.live.service import Live

__all__ = ["Delta", "Live", "Picture", "SeatChanges", "TooManyViewers"]
