"""The stream of one event: what is said when, who may go on from where, and that nobody waits for anybody."""

import random
from contextlib import asynccontextmanager

import pytest
from tests.unit.live.seats import Client, Seats, Step

from onsale import limits
from onsale.kit import clock, ids, tasks
from onsale.kit.problems import Unavailable
from onsale.live import model
from onsale.live.channel import Channel, resyncs
from onsale.live.model import Mark, parse_mark

pytestmark = pytest.mark.anyio

TICK_S = 0.01
SHARD = ids.shard_of(7)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(limits, "LIVE_TICK_S", TICK_S)
    monkeypatch.setattr(limits, "LIVE_RETRY_S", TICK_S)


@pytest.fixture
def encoded(monkeypatch) -> list[str]:
    """Every text that was made."""
    texts: list[str] = []
    step = model.step

    def counted(*values):
        message = step(*values)
        texts.append(message.text)
        return message

    monkeypatch.setattr(model, "step", counted)
    return texts


@asynccontextmanager
async def open_channel(seats: Seats):
    channel = Channel(SHARD, seats)
    try:
        assert await channel.open() == len(seats.states)
        yield channel
    finally:
        await channel.close()
        assert not seats.hearers


class Viewer:
    """A client of a channel that takes messages as they come, or only when it is told to."""

    def __init__(self, channel: Channel, client: Client) -> None:
        self.channel, self.client = channel, client
        self.texts: list[str] = []
        self.mark = parse_mark(client.etag)
        self._first = True

    async def take(self) -> str:
        message = self.channel.start(self.mark) if self._first else None
        self._first = False
        message = message or await self.channel.after(self.mark)
        self.mark = message.mark
        self.client.take(message.text)
        self.texts.append(message.text)
        return message.text

    async def follow(self) -> None:
        while not self.client.resynced:
            await self.take()


def watch(channel: Channel, seats: Seats) -> Viewer:
    return Viewer(channel, Client(seats.photo()))


@asynccontextmanager
async def followed(seats: Seats):
    """A viewer who takes all messages as they come."""
    async with open_channel(seats) as channel:
        viewer = watch(channel, seats)
        following = tasks.spawn(viewer.follow(), name="viewer")
        await settle()
        yield viewer
        await tasks.cancel(following)


async def settle() -> None:
    await clock.sleep(5 * TICK_S)


def resynced(why: str) -> float:
    return float(resyncs.labels(why)._value.get())


async def test_changes_of_one_tick_are_one_message_and_the_latest_state_of_a_seat_wins():
    seats = Seats()
    async with open_channel(seats) as channel:
        viewer = watch(channel, seats)
        seats.change((3, 1), (4, 1))
        seats.change((3, 2))
        assert await viewer.take() == '{"v":103,"etag":"103-0102","seats":[[3,2],[4,1]]}'
        assert viewer.client.sees(seats)


async def test_a_text_is_made_once_for_all_viewers(encoded):
    seats = Seats()
    async with open_channel(seats) as channel:
        viewers = [watch(channel, seats) for _ in range(50)]
        del encoded[:]
        following = [tasks.spawn(viewer.follow(), name="viewer") for viewer in viewers]
        for seat_no in range(3):
            await settle()
            seats.change((seat_no, 1))
        await settle()
        assert len(encoded) == 3
        assert all(viewer.texts == encoded for viewer in viewers)
        assert all(text is mine for viewer in viewers for text, mine in zip(encoded, viewer.texts, strict=True))
        await tasks.cancel(*following)


async def test_nothing_is_said_while_nothing_changes_and_a_word_keeps_proxies_awake(monkeypatch):
    monkeypatch.setattr(limits, "LIVE_HEARTBEAT_S", 20 * TICK_S)
    seats = Seats()
    async with open_channel(seats) as channel:
        viewer = watch(channel, seats)
        began_s = clock.monotonic()
        assert await viewer.take() == '{"v":100,"etag":"100-0102","seats":[]}'
        assert clock.monotonic() - began_s > 15 * TICK_S
        # A step that shows nothing is no news; the next word carries its version.
        seats.change(by=5)
        began_s = clock.monotonic()
        assert await viewer.take() == '{"v":105,"etag":"105-0102","seats":[]}'
        assert clock.monotonic() - began_s > 10 * TICK_S


async def test_who_comes_back_gets_all_it_missed_as_one_message():
    seats = Seats()
    async with open_channel(seats) as channel:
        viewer = watch(channel, seats)
        for seat_no in range(5):
            seats.change((seat_no, 1))
            seats.change((0, seat_no % 3))
            await settle()
        assert await viewer.take() == '{"v":110,"etag":"110-0102","seats":[[0,1],[1,1],[2,1],[3,1],[4,1]]}'
        assert viewer.client.sees(seats)


async def test_who_is_slow_gets_one_message_and_holds_up_nobody(encoded):
    seats = Seats()
    async with open_channel(seats) as channel:
        slow, quick = watch(channel, seats), watch(channel, seats)
        following = tasks.spawn(quick.follow(), name="viewer")
        seats.change((1, 1))
        await slow.take()
        for seat_no in range(5):
            seats.change((seat_no, 2))
            await settle()
        assert len(quick.texts) == 6
        assert quick.client.sees(seats)
        await slow.take()
        assert len(slow.texts) == 2
        assert slow.client.sees(seats)
        await tasks.cancel(following)


async def test_many_who_missed_the_same_share_one_text(encoded):
    seats = Seats()
    async with open_channel(seats) as channel:
        late = [watch(channel, seats) for _ in range(20)]
        for seat_no in range(3):
            seats.change((seat_no, 2))
            await settle()
        del encoded[:]
        texts = {id(await viewer.take()) for viewer in late}
        assert len(encoded) == len(texts) == 1


async def test_a_version_that_is_no_longer_in_mind_is_resynced():
    seats = Seats()
    async with open_channel(seats) as channel:
        viewer = watch(channel, seats)
        seats.change((1, 1))
        seats.change((2, 1))
        await settle()
        del seats.history[0]
        before = resynced("history")
        assert await viewer.take() == '{"resync":true,"v":102,"etag":"102-0102"}'
        assert resynced("history") == before + 1


async def test_another_epoch_is_resynced():
    seats = Seats()
    async with open_channel(seats) as channel:
        stranger = Viewer(channel, Client(seats.photo()))
        stranger.mark = Mark(seats.version, b"\x09")
        assert await stranger.take() == '{"resync":true,"v":100,"etag":"100-0102"}'


async def test_a_new_epoch_is_resynced_to_all_and_the_channel_goes_on():
    seats = Seats()
    async with open_channel(seats) as channel:
        viewers = [watch(channel, seats) for _ in range(3)]
        following = [tasks.spawn(viewer.follow(), name="viewer") for viewer in viewers]
        await settle()
        seats.restart()
        await settle()
        assert [viewer.texts for viewer in viewers] == [['{"resync":true,"v":100,"etag":"100-0203"}']] * 3
        again = watch(channel, seats)
        seats.change((1, 1))
        await again.take()
        assert again.client.sees(seats)
        await tasks.cancel(*following)


async def test_out_of_step_with_the_history_whole_leads_on_without_a_resync():
    seats = Seats()
    async with followed(seats) as viewer:
        seats.change((1, 1), told=False)
        seats.tell(None)
        await settle()
        assert viewer.client.sees(seats)
        assert not viewer.client.resynced


async def test_a_gap_is_found_and_never_told_as_news():
    seats = Seats()
    async with followed(seats) as viewer:
        seats.change((1, 1), told=False)
        seats.history.clear()
        seats.change((2, 1))
        await settle()
        assert viewer.texts == ['{"resync":true,"v":102,"etag":"102-0102"}']


async def test_without_the_look_for_gaps_a_viewer_would_see_a_wrong_map(monkeypatch):
    """The negative control: the same gap, and each step taken as it comes."""

    def trusting(deltas, version):
        deltas = list(deltas)
        seats = {seat_no: state for delta in deltas for seat_no, state in delta.seats}
        return (deltas[-1].version if deltas else version), seats

    monkeypatch.setattr(model, "merged", trusting)
    seats = Seats()
    async with followed(seats) as viewer:
        seats.change((1, 1), told=False)
        seats.change((2, 1))
        await settle()
        assert viewer.client.version == seats.version
        assert viewer.client.states != seats.states


async def test_a_step_that_is_older_than_the_picture_is_not_told():
    seats = Seats()
    async with open_channel(seats) as channel:
        viewer = watch(channel, seats)
        seats.tell(Step(98, 99, ((1, 2),)))
        seats.change((2, 1))
        await viewer.take()
        assert viewer.client.sees(seats)


async def test_steps_during_the_taking_of_the_picture_are_not_lost():
    seats = Seats()
    photo = seats.photo()

    def step_twice():
        seats.taking = lambda: None
        seats.change((1, 1))
        seats.change((2, 1))

    seats.taking = step_twice
    async with open_channel(seats) as channel:
        viewer = Viewer(channel, Client(photo))
        await viewer.take()
        assert viewer.client.sees(seats)


async def test_more_steps_than_fit_during_the_taking_ask_for_another_picture(monkeypatch):
    monkeypatch.setattr(limits, "LIVE_EARLY_DELTAS_MAX", 2)
    seats = Seats()
    photo = seats.photo()

    def step_often():
        seats.taking = lambda: None
        for seat_no in range(4):
            seats.change((seat_no, 1))

    seats.taking = step_often
    async with open_channel(seats) as channel:
        viewer = Viewer(channel, Client(photo))
        await settle()
        assert seats.pictures == 2
        await viewer.take()
        assert viewer.client.sees(seats)


async def test_more_seats_than_a_message_may_hold_are_a_resync(monkeypatch):
    monkeypatch.setattr(limits, "LIVE_SEATS_MAX", 5)
    seats = Seats()
    async with open_channel(seats) as channel:
        viewer, late = watch(channel, seats), watch(channel, seats)
        seats.change(*((seat_no, 1) for seat_no in range(5)))
        await viewer.take()
        assert viewer.client.sees(seats)
        seats.change((6, 1))
        await settle()
        before = resynced("size")
        assert '"resync":true' in await late.take()
        assert resynced("size") == before + 1


async def test_who_is_ahead_of_this_process_waits_and_is_never_led_back():
    seats = Seats()
    async with open_channel(seats) as channel:
        ahead = watch(channel, seats)
        ahead.mark = Mark(102, seats.epoch)
        ahead.client.etag = str(ahead.mark)
        taking = tasks.spawn(ahead.take(), name="viewer")
        seats.change((1, 1))
        await settle()
        assert not taking.done()
        seats.change((2, 1), (3, 2))
        await settle()
        assert taking.done()
        assert ahead.client.version == 103


async def test_the_database_away_at_the_beginning_is_told_to_all_who_wait():
    seats = Seats(away=True)
    channel = Channel(SHARD, seats)
    for _ in range(2):
        with pytest.raises(Unavailable):
            await channel.open()
    await channel.close()
    assert seats.pictures == 1
    assert not seats.hearers


async def test_the_database_away_later_keeps_viewers_and_is_asked_again():
    seats = Seats()
    async with followed(seats) as viewer:
        seats.away = True
        seats.change((1, 1), told=False)
        seats.tell(None)
        await settle()
        assert not viewer.texts
        seats.away = False
        await settle()
        assert viewer.client.sees(seats)


async def test_a_channel_that_ends_ends_its_viewers():
    seats = Seats()
    async with open_channel(seats) as channel:
        viewer = watch(channel, seats)
        ended = []

        async def until_ended():
            try:
                await viewer.follow()
            except Unavailable:
                ended.append(True)

        watching = tasks.spawn(until_ended(), name="viewer")
        await settle()
        await channel.close()
        await watching
        assert ended


@pytest.mark.parametrize("seed", range(20))
async def test_a_picture_and_its_messages_make_the_map_whatever_happens(seed):
    """Invariant 7, by chance: steps seen and unseen, gaps, lost history, new epochs, viewers that come late and take
    slowly. At every message the client's map is the map as it was at that version."""
    print("seed", seed)
    chance = random.Random(seed)
    seats = Seats()
    was: dict[str, list[int]] = {}

    def remember():
        was[f"{seats.version}-{seats.epoch.hex()}"] = list(seats.states)

    remember()
    async with open_channel(seats) as channel:
        viewers = [watch(channel, seats)]
        for _ in range(60):
            match chance.randrange(12):
                case 0:
                    seats.change(by=chance.randint(1, 3))
                case 1:
                    seats.change((chance.randrange(20), chance.randrange(4)), told=False)
                case 2:
                    del seats.history[: chance.randrange(1 + len(seats.history))]
                case 3 if chance.random() < 0.3:
                    seats.restart()
                case 4:
                    viewers.append(watch(channel, seats))
                case 5:
                    await clock.sleep(TICK_S * chance.random())
                case _:
                    seats.change(*((chance.randrange(20), chance.randrange(4)) for _ in range(chance.randint(1, 4))))
            remember()
            for viewer in chance.sample(viewers, chance.randint(0, len(viewers))):
                await _take_if_any(viewer)
                assert viewer.client.states == was[viewer.client.etag]
            viewers = [viewer for viewer in viewers if not viewer.client.resynced] or [watch(channel, seats)]
        seats.change((0, 3), (1, 3))
        remember()
        await clock.sleep(10 * TICK_S)
        for viewer in viewers:
            while not viewer.client.resynced and not viewer.client.sees(seats):
                await viewer.take()


async def _take_if_any(viewer: Viewer) -> None:
    taking = tasks.spawn(viewer.take(), name="take")
    await clock.sleep(0)
    await clock.sleep(0)
    if not taking.done():
        await tasks.cancel(taking)
