"""A connection that hears what is published: in order, and never again after it was lost."""

import pytest

from onsale.kit import redis
from onsale.kit.redis import RedisAway

pytestmark = pytest.mark.anyio


async def test_what_is_published_comes_before_the_answer_to_a_later_question(redis_client):
    async with redis.wire(redis_client) as wire:
        await wire.send("SUBSCRIBE", "lamp")
        assert (await wire.read())[:2] == [b"subscribe", b"lamp"]
        await redis_client.publish("lamp", b"\x00lit")
        await wire.send("PING", "1")
        assert [await wire.read(), await wire.read()] == [[b"message", b"lamp", b"\x00lit"], [b"pong", b"1"]]


async def test_a_lost_connection_is_not_made_again_behind_our_back(redis_client):
    async with redis.wire(redis_client) as wire:
        await wire.send("SUBSCRIBE", "lamp")
        await wire.read()
        await redis_client.client_kill_filter(_type="pubsub")
        with pytest.raises(RedisAway):
            await wire.read()
        with pytest.raises(RedisAway):
            await wire.send("PING", "1")


async def test_nobody_there_is_away():
    """Over TCP, as in production: the pool prepares more for such connections than for those of a socket."""
    client = redis.connect("redis://127.0.0.1:1/0")
    with pytest.raises(RedisAway):
        async with redis.wire(client):
            pass
    await client.aclose()
