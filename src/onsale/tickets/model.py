"""What a ticket is: pure."""

from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum

from onsale.kit.ids import PersonKey, ShardId

PREFIX = "tkt"


class TicketState(IntEnum):
    VALID = 1
    USED = 2
    VOID = 3


@dataclass(frozen=True, slots=True)
class NewTicket:
    """What a sale asks for. The order may live on another shard of the event. Price all-in, in minor units."""

    order_shard_id: ShardId
    order_id: int
    person: PersonKey
    seat_no: int
    tier: int
    price_minor: int


@dataclass(frozen=True, slots=True)
class Ticket:
    """The right of `person` to enter and sit on `seat_no`. `code_version` counts the codes it has had."""

    shard_id: ShardId
    ticket_id: int
    order_shard_id: ShardId
    order_id: int
    person: PersonKey
    seat_no: int
    tier: int
    price_minor: int
    state: TicketState
    code_version: int
    issued_at: datetime

    @property
    def alive(self) -> bool:
        """Whether it is still the right to enter. A void ticket is told of, but never shown as a code again."""
        return self.state is not TicketState.VOID
