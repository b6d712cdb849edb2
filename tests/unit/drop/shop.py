"""A shop in memory that keeps the contract of design.md section 12, or breaks one promise of it on purpose."""

import re
from itertools import count

import msgspec
from tests.unit.drop.servers import answer, read_request
from tests.unit.drop.test_availability import body as availability

PRICE = 1_000


class Shop:
    """Sells `seats` seats. `breaks` names the promise it does not keep; the counters say what it saw."""

    def __init__(self, seats, breaks=""):
        self.states = [0] * seats
        self.breaks = breaks
        self.version = 1
        self.holds = {}
        self.numbers = count()
        self.orders = {}
        self.addresses = set()
        self.keys = []
        self.declined = 0
        self.refused_once = set()

    async def talk(self, reader, writer):
        while request := await read_request(reader):
            head, _, data = request.partition(b"\r\n\r\n")
            method, path, _ = head.split(b"\r\n")[0].decode().split(" ")
            headers = dict(line.decode().split(": ", 1) for line in head.split(b"\r\n")[1:])
            self.addresses.add(headers["X-Forwarded-For"])
            self.keys += [headers[name] for name in headers if name == "Idempotency-Key"]
            status, body, extra = self.answer(method, path, headers, msgspec.json.decode(data) if data else None)
            encoded = body if isinstance(body, bytes) else msgspec.json.encode(body)
            writer.write(answer(b"" if status in (204, 304) else encoded, f"{status} X", extra))

    def answer(self, method, path, headers, body):
        fan = headers["X-Forwarded-For"]
        if self.breaks == "busy" and (fan, path) not in self.refused_once and "holds" in path:
            self.refused_once.add((fan, path))
            return 429, {"code": "too_many_requests"}, "Retry-After: 0\r\n"
        if self.breaks == "holds" and path.endswith("/holds"):
            return 500, {"code": "internal_error"}, ""
        for verb, pattern, do in ROUTES:
            if verb == method and (found := re.fullmatch(pattern, path)):
                return do(self, headers, body, *found.groups())
        raise AssertionError(f"{method} {path} is not in the contract")

    def session(self, headers, body):
        return 201, {"person": "guest", "token": "t", "expires_at": "2030-01-01T00:00:00Z"}, ""

    def event(self, headers, body):
        return 200, {"id": 1, "status": "OPEN", "sale": {"seats_per_hold": 8, "seats_per_person": 8}}, ""

    def availability(self, headers, body):
        tag = f'"{self.version}"'
        if headers.get("If-None-Match") == tag:
            return 304, b"", f"ETag: {tag}\r\n"
        return 200, availability(self.states, self.version), f"ETag: {tag}\r\n"

    def hold(self, headers, body):
        assert headers["Authorization"] == "Bearer t"
        free = [seat_no for seat_no, state in enumerate(self.states) if state == 0]
        if "best" in body:
            seats = free[: body["best"]["quantity"]]
            if len(seats) < body["best"]["quantity"]:
                return 409, {"code": "no_seats_together"}, ""
        else:
            seats = body["seats"]
            if taken := [seat_no for seat_no in seats if self.states[seat_no]]:
                return 409, {"code": "seats_taken", "taken": taken}, ""
        self._set(seats, 1)
        hold_id = f"hld_{next(self.numbers)}"
        self.holds[hold_id] = seats
        told = seats[:-1] if self.breaks == "whole holds" else seats
        return 201, {"id": hold_id, "seats": self._seats(told), "total": self._total(told)}, ""

    def release(self, headers, body, hold_id):
        self._set(self.holds.pop(hold_id), 0)
        return 204, b"", ""

    def order(self, headers, body):
        order_id = f"ord_{len(self.orders)}"
        self.orders[order_id] = {"seats": self.holds[body["holds"][0]], "status": "pending"}
        return 201, self._order(order_id), ""

    def payment(self, headers, body, order_id):
        if body["method"] == "sandbox_declined":
            self.declined += 1
            return 402, {"code": "payment_declined"}, ""
        self.orders[order_id]["status"] = "processing"
        return 202, self._order(order_id), ""

    def read(self, headers, body, order_id):
        order = self.orders[order_id]
        answered = self._order(order_id)
        if order["status"] == "processing":
            order["status"] = "confirmed"
            self._set(order["seats"], 0 if self.breaks == "one owner" else 2)
        return 200, answered, ""

    def _set(self, seats, state):
        self.version += 1
        for seat_no in seats:
            self.states[seat_no] = state

    def _seats(self, seats):
        return [{"seat_no": seat_no, "section": "A", "row": "1", "seat": str(seat_no)} for seat_no in seats]

    def _total(self, seats):
        return {"amount": PRICE * len(seats), "currency": "EUR"}

    def _order(self, order_id):
        order = self.orders[order_id]
        seats = order["seats"]
        issued = seats if order["status"] == "confirmed" and self.breaks != "tickets" else []
        return {
            "id": order_id,
            "status": order["status"],
            "items": self._seats(seats),
            "total": self._total(seats),
            "tickets": [{"id": f"tkt_{order_id}_{seat_no}", "status": "valid"} for seat_no in issued],
        }


ROUTES = (
    ("POST", r"/api/v1/session", Shop.session),
    ("GET", r"/api/v1/events/1", Shop.event),
    ("GET", r"/api/v1/events/1/availability", Shop.availability),
    ("POST", r"/api/v1/events/1/holds", Shop.hold),
    ("DELETE", r"/api/v1/holds/(hld_\d+)", Shop.release),
    ("POST", r"/api/v1/orders", Shop.order),
    ("POST", r"/api/v1/orders/(ord_\d+)/payment", Shop.payment),
    ("GET", r"/api/v1/orders/(ord_\d+)", Shop.read),
)
