"""One fan who behaves: looks, takes seats, pays, and keeps to what the server asks (Retry-After, one answer at a time).

Each fan has an address, a session and a source of chance of their own, so that a crowd can be repeated from one seed.
"""

from collections import Counter
from dataclasses import dataclass, field

import msgspec

from onsale.drop.availability import Availability
from onsale.drop.client import Client, Headers, fan_address, problem_code
from onsale.drop.connection import RequestFailed, Response
from onsale.drop.drop_limits import (
    BROKEN_WAIT_S,
    CONTRADICTIONS_MAX,
    LOOK_AGAIN_S,
    ORDER_READ_EVERY_S,
    ORDER_READ_FIRST_S,
    ORDER_READS_MAX,
    RETRIES_MAX,
    RETRY_AFTER_MAX_S,
)
from onsale.drop.histogram import Histogram
from onsale.kit import chance, clock


@dataclass(frozen=True, slots=True)
class Habits:
    """How a crowd behaves. Shares are 0 to 1."""

    tickets_max: int = 4
    best_share: float = 0.7
    """Ask for the best seats together; the others choose on the map."""
    declined_share: float = 0.05
    """Their first card is declined, the second works."""
    abandon_share: float = 0.05
    """Take seats, think again, and give them back."""
    hold_tries_max: int = 8
    think_s: float = 0.0
    """How long a fan looks at the map, and again before paying, on average."""


@dataclass(slots=True)
class Crowd:
    """What all fans of one buy-out share and count."""

    client: Client
    event_id: int
    seed: int
    habits: Habits
    steps: dict[str, Histogram] = field(default_factory=dict)
    refused: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    contradictions: list[str] = field(default_factory=list)
    contradicted: int = 0
    retries: int = 0
    sold_to: dict[int, int] = field(default_factory=dict)
    """seat_no -> the fan whose confirmed order has it."""
    tickets: Counter[int] = field(default_factory=Counter)
    """fan -> tickets."""
    sold_out: bool = False

    def took(self, step: str, seconds: float) -> None:
        self.steps.setdefault(step, Histogram()).record(seconds)

    def contradiction(self, text: str) -> None:
        """The server broke a promise. That is never just a statistic."""
        self.contradicted += 1
        if len(self.contradictions) < CONTRADICTIONS_MAX:
            self.contradictions.append(text)


class Ended(Exception):
    """This fan is done without tickets; the outcome says why."""

    def __init__(self, outcome: str) -> None:
        super().__init__(outcome)
        self.outcome = outcome


class _Session(msgspec.Struct):
    token: str


class _Sale(msgspec.Struct):
    seats_per_hold: int
    seats_per_person: int


class _Event(msgspec.Struct):
    status: str
    sale: _Sale


class _Money(msgspec.Struct):
    amount: int
    currency: str


class _Seat(msgspec.Struct):
    seat_no: int


class _Hold(msgspec.Struct):
    id: str
    seats: list[_Seat]
    total: _Money

    def seat_nos(self) -> list[int]:
        return sorted(seat.seat_no for seat in self.seats)


class _Ticket(msgspec.Struct):
    id: str
    status: str


class _Order(msgspec.Struct):
    id: str
    status: str
    items: list[_Seat]
    total: _Money
    tickets: list[_Ticket] = []

    def seat_nos(self) -> list[int]:
        return sorted(item.seat_no for item in self.items)


class Fan:
    """One fan of the crowd, by number."""

    def __init__(self, crowd: Crowd, number: int) -> None:
        self._crowd = crowd
        self._number = number
        self._draw = chance.seeded(crowd.seed << 32 | number)
        self._headers: list[tuple[str, str]] = [("X-Forwarded-For", fan_address(number))]
        self._availability: Availability | None = None
        self._etag = ""
        self._asked = 0
        self._sale = _Sale(1, 1)

    async def go(self) -> str:
        """From arriving to tickets; the outcome is `confirmed`, or why not."""
        crowd, habits = self._crowd, self._crowd.habits
        if crowd.sold_out:
            return "came_too_late"
        try:
            await self._arrive()
            await self._think()
            begun_s = clock.monotonic()
            hold = await self._take_seats()
            await self._think()
            if self._draw.random() < habits.abandon_share:
                await self._give_back(hold)
                return "gave_back"
            order = await self._order(hold)
            await self._pay(order)
            crowd.took("hold to tickets", clock.monotonic() - begun_s)
            return "confirmed"
        except Ended as ended:
            return ended.outcome
        except RequestFailed as failed:  # An answer that is not what the contract says.
            crowd.failures[f"unreadable answer: {failed}"[:120]] += 1
            return f"failed:{failed.kind}"

    async def _think(self) -> None:
        if self._crowd.habits.think_s:
            await clock.sleep(self._draw.expovariate(1 / self._crowd.habits.think_s))

    # --- looking

    async def _arrive(self) -> None:
        response = await self._ask("session", "POST", "/api/v1/session", {})
        self._expect(response, 201)
        self._headers.append(("Authorization", f"Bearer {response.json(_Session).token}"))
        response = await self._ask("event", "GET", f"/api/v1/events/{self._crowd.event_id}")
        self._expect(response, 200)
        event = response.json(_Event)
        if event.status != "OPEN":
            raise Ended(f"event_{event.status.lower()}")
        self._sale = event.sale
        await self._look()

    async def _look(self) -> Availability:
        """The map as it is now; what has not changed is not sent again."""
        extra = [("If-None-Match", self._etag)] if self._etag else []
        path = f"/api/v1/events/{self._crowd.event_id}/availability"
        response = await self._ask("availability", "GET", path, extra=extra)
        if response.status == 304 and self._availability is not None:
            return self._availability
        self._expect(response, 200)
        try:
            seen = Availability.parse(response.body)
        except ValueError as error:
            self._crowd.contradiction(f"availability: {error}")
            raise Ended("contradiction") from error
        if self._availability is not None and seen.version < self._availability.version:
            self._crowd.contradiction(f"the map went back from version {self._availability.version} to {seen.version}")
        self._availability, self._etag = seen, response.header("etag")
        return seen

    async def _look_again(self) -> None:
        """No seat was to be had: is it over, or might somebody give one back?"""
        free, held, _, _ = (await self._look()).counts()
        if not free and not held:
            self._crowd.sold_out = True
            raise Ended("sold_out")
        if not free:
            await clock.sleep(LOOK_AGAIN_S * (0.5 + self._draw.random()))

    # --- taking

    async def _take_seats(self) -> _Hold:
        """Seats, the fan's own way, trying again while others are faster."""
        habits, draw = self._crowd.habits, self._draw
        quantity = draw.randint(1, min(habits.tickets_max, self._sale.seats_per_hold, self._sale.seats_per_person))
        best = draw.random() < habits.best_share
        for _ in range(habits.hold_tries_max):
            wanted = [] if best else self._choose(quantity)
            if not best and not wanted:
                await self._look_again()
                continue
            body = {"best": {"quantity": quantity}} if best else {"seats": wanted}
            response = await self._ask("hold", "POST", f"/api/v1/events/{self._crowd.event_id}/holds", body, once=True)
            if response.status == 201:
                hold = response.json(_Hold)
                self._check_hold(hold, wanted, quantity)
                return hold
            code = problem_code(response)
            if response.status != 409 or code not in ("seats_taken", "no_seats_together"):
                raise Ended(f"refused:{code}")
            if code == "no_seats_together":
                quantity = max(1, quantity - 1)
            await self._look_again()
        raise Ended("always_too_late")

    def _choose(self, quantity: int) -> list[int]:
        assert self._availability is not None
        return self._availability.free_from(self._draw.randrange(max(1, self._availability.seats)), quantity)

    def _check_hold(self, hold: _Hold, wanted: list[int], quantity: int) -> None:
        """All or none (design.md section 3, 2)."""
        got = hold.seat_nos()
        if (got != sorted(wanted)) if wanted else (len(set(got)) != quantity):
            self._crowd.contradiction(f"fan {self._number} asked for {wanted or quantity} and holds {got}")

    async def _give_back(self, hold: _Hold) -> None:
        self._expect(await self._ask("release", "DELETE", f"/api/v1/holds/{hold.id}"), 204)

    # --- paying

    async def _order(self, hold: _Hold) -> _Order:
        body = {"holds": [hold.id], "email": f"fan{self._number}@example.org", "phone": None}
        response = await self._ask("order", "POST", "/api/v1/orders", body, once=True)
        self._expect(response, 201)
        order = response.json(_Order)
        if order.seat_nos() != hold.seat_nos() or order.total.amount != hold.total.amount:
            self._crowd.contradiction(f"order {order.id} is not what hold {hold.id} promised")
        return order

    async def _pay(self, order: _Order) -> None:
        if self._draw.random() < self._crowd.habits.declined_share:
            response = await self._payment(order, "sandbox_declined")
            if response.status != 402:
                self._crowd.contradiction(f"order {order.id}: a declined card was answered {response.status}")
                self._expect(response, 402)
        begun_s = clock.monotonic()
        response = await self._payment(order, "sandbox_ok")
        if response.status not in (200, 202):
            raise Ended(f"refused:{problem_code(response)}")
        await self._read_until_confirmed(order)
        self._crowd.took("payment to tickets", clock.monotonic() - begun_s)

    async def _payment(self, order: _Order, method: str) -> Response:
        return await self._ask("payment", "POST", f"/api/v1/orders/{order.id}/payment", {"method": method}, once=True)

    async def _read_until_confirmed(self, order: _Order) -> None:
        wait_s = ORDER_READ_FIRST_S
        for _ in range(ORDER_READS_MAX):
            response = await self._ask("order read", "GET", f"/api/v1/orders/{order.id}")
            self._expect(response, 200)
            seen = response.json(_Order)
            if seen.status == "confirmed":
                self._check_tickets(order, seen)
                return
            if seen.status not in ("pending", "processing"):
                raise Ended(f"order_{seen.status}")
            await clock.sleep(wait_s)
            wait_s = min(2 * wait_s, ORDER_READ_EVERY_S)
        raise Ended("never_confirmed")

    def _check_tickets(self, ordered: _Order, seen: _Order) -> None:
        """A ticket for every seat ordered, and nobody else has the seat (design.md section 3, 1 and 4)."""
        valid = {ticket.id for ticket in seen.tickets if ticket.status == "valid"}
        if seen.seat_nos() != ordered.seat_nos() or len(valid) != len(ordered.items):
            self._crowd.contradiction(f"order {seen.id}: {len(valid)} tickets for {len(ordered.items)} seats")
        for seat_no in seen.seat_nos():
            other = self._crowd.sold_to.setdefault(seat_no, self._number)
            if other != self._number:
                self._crowd.contradiction(f"seat {seat_no} was sold to fan {other} and to fan {self._number}")
        self._crowd.tickets[self._number] += len(valid)

    # --- asking

    async def _ask(
        self,
        step: str,
        method: str,
        path: str,
        body: object = None,
        *,
        extra: Headers = (),
        once: bool = False,
    ) -> Response:
        """One request, repeated while the server asks to wait or the connection breaks; each try is measured.

        once: send an Idempotency-Key, the same in every try, so that repeating cannot do it twice.
        """
        self._asked += 1
        headers = [*self._headers, *extra]
        if once:
            headers.append(("Idempotency-Key", f"drop-{self._crowd.seed}-{self._number}-{self._asked}"))
        data = b"" if body is None else msgspec.json.encode(body)
        for tries_left in range(RETRIES_MAX, -1, -1):
            response = await self._try(step, method, path, headers, data)
            if response is not None and response.status not in (429, 503):
                return response
            if tries_left:
                self._crowd.retries += 1
                wait_s = BROKEN_WAIT_S if response is None else min(response.retry_after_s(), RETRY_AFTER_MAX_S)
                await clock.sleep(wait_s * (1 + 0.2 * self._draw.random()))
        raise Ended(f"gave_up:{step}")

    async def _try(self, step: str, method: str, path: str, headers: Headers, data: bytes) -> Response | None:
        """One try; None when there was no answer. Refusals and failures are counted here and nowhere else."""
        crowd, begun_s = self._crowd, clock.monotonic()
        try:
            response = await crowd.client.request(method, path, headers, data)
        except RequestFailed as failed:
            crowd.failures[f"{step}: {failed.kind}"] += 1
            return None
        finally:
            crowd.took(step, clock.monotonic() - begun_s)
        if response.status >= 500 and response.status != 503:
            crowd.failures[f"{step}: http {response.status}"] += 1
        elif response.status >= 400:
            crowd.refused[f"{step}: {response.status} {problem_code(response)}"] += 1
        return response

    def _expect(self, response: Response, status: int) -> None:
        if response.status != status:
            raise Ended(f"refused:{problem_code(response)}")
