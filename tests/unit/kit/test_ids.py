"""Public ids: one spelling for each shard and local id, and no text that is nearly one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onsale.kit import ids
from onsale.kit.ids import ShardId, UnknownId

NUMBERS = st.integers(1, 2**63 - 1)


@given(NUMBERS.map(ShardId), NUMBERS)
def test_a_public_id_leads_back_to_its_shard_and_local_id(shard_id, local_id):
    text = ids.public("hld", shard_id, local_id)
    assert ids.parse("hld", text) == (shard_id, local_id)
    assert len(text) == len("hld_") + 26
    assert text == text.lower()


@given(NUMBERS.map(ShardId), NUMBERS, st.data())
def test_another_letter_anywhere_is_another_id_or_none(shard_id, local_id, data):
    text = ids.public("hld", shard_id, local_id)
    place = data.draw(st.integers(0, len(text) - 1))
    letter = data.draw(st.characters(codec="utf-8").filter(lambda letter: letter != text[place]))
    try:
        found = ids.parse("hld", text[:place] + letter + text[place + 1 :])
    except UnknownId:
        return
    assert found != (shard_id, local_id)


@given(st.text(max_size=40))
def test_any_text_that_parses_is_the_one_spelling(text):
    for candidate in (text, f"hld_{text}"):
        try:
            shard_id, local_id = ids.parse("hld", candidate)
        except UnknownId:
            continue
        assert ids.public("hld", shard_id, local_id) == candidate


def test_ids_of_another_kind_and_texts_out_of_range_are_unknown():
    good = ids.public("hld", ShardId(64), 5)
    zero = "hld_" + "0" * 26
    for text in (
        *("", "hld", "hld_", zero, "hld_" + "z" * 26, good.upper(), good + "0", good[:-1], good.replace("_", "-")),
        *(" " + good, good + "\n", good[:-1] + "u", good.replace("hld", "ord"), "hld_" + good),
        *(ids.public("hld", ShardId(1), 0), ids.public("hld", ShardId(0), 1), ids.public("hld", ShardId(1), 2**63)),
    ):
        with pytest.raises(UnknownId):
            ids.parse("hld", text)
    assert ids.parse("hld", good) == (64, 5)


def test_what_is_said_of_an_unknown_id_is_bounded():
    with pytest.raises(UnknownId) as caught:
        ids.parse("hld", "x" * 10_000)
    assert len(str(caught.value)) <= 64


def test_an_event_has_its_own_shards():
    assert ids.shard_of(17) == 17 * 64
    assert ids.event_of(ids.shard_of(17, 63)) == 17
    assert ids.shard_of(18) > ids.shard_of(17, 63)
    with pytest.raises(AssertionError):
        ids.shard_of(17, 64)


def test_new_ids_fit_a_signed_column_and_are_not_repeated():
    made = {ids.new_id() for _ in range(2_000)}
    assert len(made) == 2_000
    assert all(0 < one < 2**63 for one in made)
    assert ids.new_person() != ids.new_person()
