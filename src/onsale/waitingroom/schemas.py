"""What the line says over HTTP."""

import msgspec

from onsale.waitingroom.model import Board


class PlaceBody(msgspec.Struct):
    """`eta_s` is null while nobody is called. `token` shows the place to a line that has forgotten it."""

    number: int
    position: int
    eta_s: None
    poll_after_ms: int
    token: str


class BoardBody(msgspec.Struct):
    """`gaps` are [first, last] of numbers that nobody has; `left` are [block, people who left it]."""

    epoch: int
    serving: int
    given: int
    waiting: int
    gaps: list[tuple[int, int]]
    left: list[tuple[int, int]]


def board_body(board: Board) -> BoardBody:
    gaps = [(gap.after + 1, gap.until) for gap in board.gaps]
    return BoardBody(board.epoch, board.serving, board.given, board.waiting, gaps, list(board.left))
