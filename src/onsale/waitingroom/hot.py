"""Hot endpoints of the line: join, one's own place, leave, the board."""

import msgspec

from onsale import limits
from onsale.accounts import Shopper
from onsale.catalog import parse_event_id
from onsale.kit import asgi, chance, ids
from onsale.kit.ids import ShardId
from onsale.kit.lru import Lru
from onsale.waitingroom.errors import InvalidPlace, NoPlace
from onsale.waitingroom.model import Board, Place, poll_after_s
from onsale.waitingroom.places import PlaceTokens
from onsale.waitingroom.schemas import PlaceBody, board_body
from onsale.waitingroom.service import Line

PLACE_HEADER = b"onsale-place"


class LineEndpoints:
    def __init__(self, line: Line, place_tokens: PlaceTokens) -> None:
        self._line = line
        self._tokens = place_tokens
        # A board is asked for far more often than it changes.
        self._boards: Lru[ShardId, tuple[Board, str, asgi.Answer, asgi.Answer]] = Lru(limits.SHARDS_IN_MIND_MAX)

    async def join(self, shopper: Shopper, request: asgi.Request) -> asgi.Answer:
        """A place at the end of the line, or the one the person has. A place shown that is not valid is ignored."""
        shard_id = _shard(request)
        try:
            shown = self._shown(shopper, request, shard_id)
        except InvalidPlace:
            shown = None
        return await self._told(201, await self._line.join(shard_id, shopper.person, shown))

    async def place(self, shopper: Shopper, request: asgi.Request) -> asgi.Answer:
        """The person's place as it stands now."""
        shard_id = _shard(request)
        shown = self._shown(shopper, request, shard_id)
        if shown is None:
            raise NoPlace("Send the token of your place as Onsale-Place")
        return await self._told(200, await self._line.find(shard_id, shown))

    async def leave(self, shopper: Shopper, request: asgi.Request) -> asgi.Answer:
        """Give up the place. Doing it again changes nothing."""
        await self._line.leave(_shard(request), shopper.person)
        return asgi.Answer(204)

    async def board(self, request: asgi.Request) -> asgi.Answer:
        """How the line stands, the same for everybody."""
        shard_id = _shard(request)
        board = await self._line.board(shard_id)
        made = self._boards.get(shard_id)
        if made is None or made[0] is not board:
            made = board, *_board_answers(board)
            self._boards.put(shard_id, made)
        _, etag, whole, unchanged = made
        return unchanged if request.header(b"if-none-match") == etag else whole

    def _shown(self, shopper: Shopper, request: asgi.Request, shard_id: ShardId) -> Place | None:
        token = request.header(PLACE_HEADER)
        return self._tokens.check(token, shard_id, shopper) if token else None

    async def _told(self, status: int, place: Place) -> asgi.Answer:
        ahead = (await self._line.board(place.shard_id)).ahead_of(place.number)
        poll_ms = round(chance.jitter(poll_after_s(ahead), 0.2) * 1_000)
        return asgi.json(status, PlaceBody(place.number, ahead + 1, None, poll_ms, self._tokens.sign(place)))


def _board_answers(board: Board) -> tuple[str, asgi.Answer, asgi.Answer]:
    """Its ETag, the answer, and the answer for who has it."""
    etag = f'"{board.epoch}-{board.serving}-{board.given}-{sum(count for _, count in board.left)}"'
    headers = (("etag", etag), ("cache-control", f"public, max-age={limits.BOARD_CACHED_S}"))
    body = msgspec.json.encode(board_body(board))
    return etag, asgi.Answer(200, body, (("content-type", asgi.JSON), *headers)), asgi.Answer(304, b"", headers)


def _shard(request: asgi.Request) -> ShardId:
    return ids.shard_of(parse_event_id(request.path["event"]))
