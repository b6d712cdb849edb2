"""The benches as commands, small: they run to their end, say what they found, and the soak's verdict is clean."""

import json
from pathlib import Path

import pytest
from tests.running import run

pytestmark = pytest.mark.timeout(300)


def found(folder: Path, name: str):
    told = json.loads((folder / f"{name}.json").read_text())
    assert told["circumstances"]["fsync"] == "on" and told["circumstances"]["synchronous_commit"] == "on"
    return told["found"]


def test_a_hundred_thousand_attempts_under_faults_hold_no_seat_twice_and_lose_nothing(tmp_path):
    """The soak in small: `onsale bench soak` alone makes ten million. Its seed is printed."""
    words = ("--attempts", "100000", "--rate", "4000", "--fault-every-s", "3", "--seats", "40000")
    ended = run("bench", "soak", *words, "--out", str(tmp_path), timeout_s=240)
    print(ended.said)
    told = found(tmp_path, "soak")
    assert ended.code == 0 and told["passed"] and told["attempts"] == 100_000
    assert len({fault["fault"] for fault in told["faults"]}) >= 4
    assert told["evidence"]["held"] > 10_000 and told["evidence"]["taken"] > 10_000


def test_the_hot_shape_is_answered_rightly(tmp_path):
    """In time it is on a quiet machine; here it must be right: a hundred held, the others refused or told to wait."""
    ended = run("bench", "hot", "--web", "1", "--seats", "2000", "--out", str(tmp_path), timeout_s=200)
    print(ended.said)
    for rush in found(tmp_path, "hot"):
        assert rush["held"] == rush["held_seats"] == rush["wanted_seats"] == 100
        assert rush["held"] + rush["taken"] + rush["shed"] == rush["attempts"] and set(rush["others"]) <= {"shed"}


def test_a_step_of_the_curve_tells_its_cost_and_draws_it(tmp_path):
    words = ("--rate", "300", "--events", "2", "--web", "1", "--seats", "2000")
    ended = run("bench", "curve", *words, "--out", str(tmp_path), timeout_s=120)
    assert ended.code == 0, ended.said
    [step] = found(tmp_path, "curve")["runs"]
    assert step["events"] == 2 and set(step["outcomes"]) == {"held", "taken"}
    assert step["cpu_us"]["app"] > 0 and step["cpu_us"]["generator"] > 0
    assert (tmp_path / "curve-latency.svg").read_text().startswith("<?xml")


def test_baselines_elsewhere_than_in_a_checkout_are_an_error_in_words(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ended = run("bench", "holds", "--baselines", "--seats", "2000", timeout_s=60)
    assert ended.code == 1 and "cannot_measure" in ended.said and "Traceback" not in ended.said
