"""Attempts as a bench makes them: free seats once each, taken ones among the taken, the same for the same seed."""

import json

from onsale.bench.attempts import GROUP_MAX, HELD, SHED, TAKEN, Attempts, Mix, judge

SEATS, TAKEN_SEATS = 400, 100


def made(mix, seed=1, events=(3, 5)):
    return Attempts(events, SEATS, TAKEN_SEATS, mix, [f"token{n}" for n in range(2_000)], seed)


def wish(request):
    head, _, body = request.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    length = next(line for line in lines if line.startswith("Content-Length"))
    assert int(length.split()[1]) == len(body)
    return int(lines[0].split("/")[4]), json.loads(body)["seats"]


def test_free_seats_are_each_asked_for_once_until_there_are_none():
    attempts, seen, number = made(Mix.FREE), [], 0
    while True:
        event, seats = wish(attempts.request(number))
        if attempts.ended:
            break
        assert 1 <= len(seats) <= GROUP_MAX
        seen += [(event, seat) for seat in seats]
        number += 1
    assert len(seen) == len(set(seen)) and all(seat >= TAKEN_SEATS for _, seat in seen)
    assert len(seen) > 2 * (SEATS - TAKEN_SEATS - GROUP_MAX)


def test_taken_seats_are_among_the_taken_and_never_end():
    attempts = made(Mix.TAKEN)
    wishes = [wish(attempts.request(number)) for number in range(2_000)]
    assert all(seat < TAKEN_SEATS for _, seats in wishes for seat in seats) and not attempts.ended


def test_half_of_a_mix_is_on_taken_seats():
    attempts = made(Mix.HALF)
    taken = sum(wish(attempts.request(number))[1][0] < TAKEN_SEATS for number in range(200))
    assert 70 < taken < 130


def test_the_same_seed_makes_the_same_attempts():
    one, other, third = made(Mix.HALF), made(Mix.HALF), made(Mix.HALF, seed=2)
    first = [one.request(number) for number in range(50)]
    assert first == [other.request(number) for number in range(50)] != [third.request(n) for n in range(50)]


def test_answers_are_told_apart():
    taken, other = b'{"code":"seats_taken","taken":[1]}', b'{"code":"person_limit"}'
    assert [judge(0, 201, b"{}"), judge(0, 409, taken), judge(0, 503, b"")] == [HELD, TAKEN, SHED]
    assert judge(0, 409, other) == "http 409" and judge(0, 500, b"") == "http 500"
