"""Identity: random local ids, public ids that carry their shard, and how an event maps to its shards.

A public id is `<prefix>_` and 26 Crockford base-32 characters: 8 bytes shard, 8 bytes local id. Any process routes it
without a look-up. Local ids are 63 random bits, unique within a shard by its primary keys: a million of them collide
with probability 5e-8 (birthday bound n^2 / 2^64), and a collision is a refused insert, never a mix-up.
"""

import os
import secrets
import uuid
from typing import NewType

PersonKey = NewType("PersonKey", uuid.UUID)
ShardId = NewType("ShardId", int)

# An event has up to this many groups of sections, each a shard of its own when it is very hot.
GROUPS_PER_EVENT = 64

# Ids whose chance is fetched together.
IDS_AT_A_TIME = 512

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_VALUE = {letter: value for value, letter in enumerate(_ALPHABET)}
# Two letters for ten bits at a time.
_PAIRS = [first + second for first in _ALPHABET for second in _ALPHABET]
_TEXT_LENGTH = 26
_PLACES = range(5 * _TEXT_LENGTH - 10, -1, -10)


class UnknownId(ValueError):
    """The text is not a public id of this kind."""


_random = bytearray()


def new_id() -> int:
    """A local id: 63 random bits, never 0. Chance is fetched for some hundred at a time: asking costs a system call."""
    if not _random:
        _random.extend(secrets.token_bytes(8 * IDS_AT_A_TIME))
    drawn = int.from_bytes(_random[-8:], "big") >> 1
    del _random[-8:]
    return drawn or 1


# A process that is forked would draw what its parent drew.
os.register_at_fork(after_in_child=_random.clear)


def new_person() -> PersonKey:
    return PersonKey(uuid.uuid4())


def new_uuid() -> uuid.UUID:
    return uuid.uuid4()


def shard_of(event_id: int, group: int = 0) -> ShardId:
    """The shard of an event's group of sections. An event that is not very hot has group 0 only."""
    assert 0 <= group < GROUPS_PER_EVENT
    return ShardId(event_id * GROUPS_PER_EVENT + group)


def event_of(shard_id: ShardId) -> int:
    return shard_id // GROUPS_PER_EVENT


def public(prefix: str, shard_id: ShardId, local_id: int) -> str:
    """The id as the world sees it, for example `hld_...`."""
    number = shard_id << 64 | local_id
    return f"{prefix}_{''.join([_PAIRS[number >> place & 1023] for place in _PLACES])}"


def parse(prefix: str, text: str) -> tuple[ShardId, int]:
    """Shard and local id of a public id. Raises UnknownId for anything that `public` did not make."""
    head, _, letters = text.partition("_")
    if head != prefix or len(letters) != _TEXT_LENGTH:
        raise UnknownId(text[:64])
    number = 0
    for letter in letters:
        value = _VALUE.get(letter)
        if value is None:
            raise UnknownId(text[:64])
        number = number * 32 + value
    shard_id, local_id = number >> 64, number & (2**64 - 1)
    if not (0 < shard_id < 2**63 and 0 < local_id < 2**63):
        raise UnknownId(text[:64])
    return ShardId(shard_id), local_id
