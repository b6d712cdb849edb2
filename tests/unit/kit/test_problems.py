"""Refusals as answers: RFC 9457, with what a program and a person each need."""

import json

import pytest

from onsale.kit import problems
from onsale.kit.problems import Problem, Unavailable


class Taken(Problem):
    code = "taken"
    status = 409
    title = "Somebody was faster"


def test_a_problem_says_its_code_status_and_title_and_what_a_program_may_read():
    body = json.loads(problems.encode(Taken("Seat 12 is gone", taken=[12])))
    assert body == {
        "type": "/docs/errors#taken",
        "title": "Somebody was faster",
        "status": 409,
        "detail": "Seat 12 is gone",
        "code": "taken",
        "taken": [12],
    }


def test_without_a_detail_the_title_speaks():
    assert Taken().body()["detail"] == str(Taken()) == "Somebody was faster"


def test_an_answer_that_says_no_is_never_cached():
    assert ("cache-control", "no-store") in problems.headers(Taken())
    assert ("content-type", "application/problem+json") in problems.headers(Taken())
    assert not {"retry-after", "www-authenticate"} & dict(problems.headers(Taken())).keys()


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.0, "1"), (0.2, "1"), (1.0, "1"), (1.2, "2"), (59.5, "60"), (60.0, "60")]
)
def test_nobody_is_told_to_come_back_too_early(seconds, said):
    assert dict(problems.headers(Taken(retry_after_s=seconds)))["retry-after"] == said


def test_a_fault_says_when_to_come_back():
    assert dict(problems.headers(Unavailable()))["retry-after"] == "1"
    assert dict(problems.headers(problems.Overloaded(retry_after_s=5)))["retry-after"] == "5"
    assert problems.Overloaded().body()["status"] == 503


def test_a_missing_session_says_how_to_show_one():
    class NoSession(Problem):
        code = "no_session"
        status = 401

    assert dict(problems.headers(NoSession()))["www-authenticate"].startswith("Bearer ")


def test_a_bug_tells_nothing_of_its_inside():
    assert problems.InternalError().body()["detail"] == "Something went wrong on our side"
