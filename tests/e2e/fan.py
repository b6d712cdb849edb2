"""A fan: what a person does with a page, in the words of the shop."""

import itertools
import re
import struct
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
from playwright.sync_api import BrowserContext, ConsoleMessage, Locator, Page, Response, expect

# The slowest page of a machine under load; a healthy one answers in a tenth of a second.
PATIENCE_MS = 20_000
expect.set_options(timeout=PATIENCE_MS)

FREE = 0
# Said by the browser itself for every answer of 400 and above. Which answers those are is looked at where they come in.
LOUD_ANSWER = "Failed to load resource"
_addresses = itertools.count(1)


@dataclass(frozen=True)
class Site:
    """The running shop, and what a test wants to know of it beside the browser."""

    address: str

    def api(self, path: str, **query: Any) -> Any:
        answer = httpx.get(f"{self.address}/api/v1{path}", params=query)
        answer.raise_for_status()
        return answer.json()

    def event(self, **query: Any) -> Any:
        """The first event that fits, whole."""
        found = self.api("/events", **query)["items"][0]
        return self.api(f"/events/{found['id']}")

    def states(self, event: int) -> list[int]:
        """The state of every seat, by its number."""
        body = httpx.get(f"{self.address}/api/v1/events/{event}/availability").raise_for_status().content
        _, seats = struct.unpack(">QI", body[:12])
        return [body[12 + seat // 4] >> 2 * (seat % 4) & 3 for seat in range(seats)]

    def await_states(self, event: int, wanted: Mapping[int, int]) -> None:
        """The map may be a moment old; it must come to show these seats so."""
        states: list[int] = []
        for _ in range(50):
            states = self.states(event)
            if all(states[seat] == state for seat, state in wanted.items()):
                return
            time.sleep(0.1)
        raise AssertionError(f"wanted {wanted}, seen {[states[seat] for seat in wanted]}")

    def free_together(self, event: int, count: int, *, after: int = 0) -> list[int]:
        """Numbers of seats that are free and follow each other."""
        states = self.states(event)
        for first in range(after, len(states) - count):
            if all(state == FREE for state in states[first : first + count]):
                return list(range(first, first + count))
        raise AssertionError(f"event {event} has no {count} free seats in a row")

    @contextmanager
    def guest(self) -> Iterator[httpx.Client]:
        """Somebody else, by the API, with a guest session."""
        with httpx.Client(base_url=f"{self.address}/api/v1", timeout=30) as client:
            token = client.post("/session", json={}).raise_for_status().json()["token"]
            client.headers["Authorization"] = f"Bearer {token}"
            yield client

    def buy(self, event: int, seats: Sequence[int]) -> Any:
        """Somebody else buys these seats; their order."""
        with self.guest() as guest:
            hold = guest.post(f"/events/{event}/holds", json={"seats": list(seats)}).raise_for_status().json()
            body = {"holds": [hold["id"]], "email": "somebody@example.org"}
            order = guest.post("/orders", json=body).raise_for_status().json()
            return guest.post(f"/orders/{order['id']}/payment", json={"method": "sandbox_ok"}).raise_for_status().json()


@dataclass
class Fan:
    """One browser with its own cookies. `complaints` is what its pages said that no page should say."""

    site: Site
    context: BrowserContext
    size: str
    complaints: list[str] = field(default_factory=list)
    expected: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        self.email = f"fan{next(_addresses)}@example.org"
        self.context.set_default_timeout(PATIENCE_MS)
        self.page = self.new_tab()

    def new_tab(self) -> Page:
        page = self.context.new_page()
        page.on("console", self._hear)
        page.on("pageerror", lambda error: self.complaints.append(f"{page.url}: {error}"))
        page.on("response", self._see)
        return page

    def _hear(self, message: ConsoleMessage) -> None:
        """A broken Content-Security-Policy is an error on the console, like a script that failed."""
        if message.type in ("error", "warning") and not message.text.startswith(LOUD_ANSWER):
            self.complaints.append(f"{message.location}: {message.text}")

    def _see(self, answer: Response) -> None:
        """A refusal is an answer; a fault, or a file that is not there, is a mistake unless the test makes it."""
        refusal = "/api/v1/" in answer.url and 400 <= answer.status < 500
        if answer.status >= 400 and not refusal and answer.status not in self.expected:
            self.complaints.append(f"{answer.url} answered {answer.status}")

    def go(self, path: str) -> None:
        self.page.goto(path)

    def find(self, words: str) -> Locator:
        """Search on the home page; the cards found."""
        self.go("/")
        self.page.get_by_test_id("q").fill(words)
        self.page.get_by_role("button", name="Search").click()
        self.page.wait_for_url("**q=*")
        return self.page.get_by_test_id("event-card")

    def open(self, event: Any) -> None:
        """An event's page, until its seat map is drawn."""
        self.go(f"/events/{event['id']}-{event['slug']}")
        self.await_map()

    def await_map(self) -> None:
        self.page.wait_for_selector("canvas[data-ready=true]")

    def tap(self, seat: int) -> None:
        """Touch or click that seat on the map."""
        self.page.get_by_test_id("seat-map").scroll_into_view_if_needed()
        at = self.page.evaluate("seat => window.onsaleMap.seatAt(seat)", seat)
        if self.size == "phone":
            self.page.touchscreen.tap(at["x"], at["y"])
        else:
            self.page.mouse.click(at["x"], at["y"])

    def pick(self, seats: Sequence[int]) -> None:
        for number, seat in enumerate(seats, 1):
            self.tap(seat)
            expect(self.page.locator("#picks [data-seats] button")).to_have_count(number)

    def hold(self, seats: Sequence[int]) -> None:
        """Pick these seats and have them held."""
        self.pick(seats)
        self.page.get_by_test_id("hold-picks").click()
        expect(self.panel).to_be_visible()

    def best(self, quantity: int) -> None:
        """Have the best seats together found and held."""
        field = self.page.get_by_test_id("best-quantity")
        field.fill(str(quantity))
        field.blur()
        self.page.get_by_test_id("best-hold").click()
        expect(self.panel).to_be_visible()

    @property
    def panel(self) -> Locator:
        return self.page.get_by_test_id("hold-panel")

    def held(self) -> list[str]:
        """The seats of the panel, as they are written there."""
        return [re.sub(r"\s+", " ", words) for words in self.panel.locator("[data-seats] li").all_inner_texts()]

    def to_payment(self) -> None:
        self.page.get_by_test_id("email").fill(self.email)
        self.page.get_by_test_id("to-payment").click()
        self.page.wait_for_url("**/orders/ord_*")

    def pay(self, method: str = "sandbox_ok") -> None:
        self.page.get_by_test_id(f"method-{method}").check()
        self.page.get_by_test_id("pay").click()

    def open_letter(self, to: str) -> None:
        """The newest letter to that address. The worker sends it a moment later, and the mailbox has no scripts."""
        letter = self.page.get_by_test_id("mail").filter(has_text=to)
        for _ in range(40):
            self.go("/dev/mailbox")
            if letter.count():
                break
            self.page.wait_for_timeout(250)
        letter.first.click()

    @property
    def tickets(self) -> Locator:
        return self.page.get_by_test_id("ticket-card")

    @property
    def problem(self) -> Locator:
        return self.page.get_by_test_id("problem")
