"""The commands at a terminal: what goes wrong is said in a line with a stable code, never as a stack trace."""

import os
import re
import signal
import socket
import time
from dataclasses import fields
from pathlib import Path

import httpx
import msgspec
import pytest
from tests.running import Ended, Running, await_answer, run, up

from onsale import config, limits

NOWHERE = "host=127.0.0.1 port=1 user=onsale dbname=onsale connect_timeout=2"
# Made and written: neither root nor anybody else may write there.
UNWRITABLE = "/proc/onsale"


def refused(ended: Ended, code: str) -> str:
    """Asserts the form of a refusal, and gives what it said."""
    assert "Traceback" not in ended.said, ended.said
    assert ended.code == 1, ended.said
    lines = [line for line in ended.said.splitlines() if f"({code})" in line]
    assert len(lines) == 1, ended.said
    return lines[0]


@pytest.mark.parametrize(
    ("name", "value", "hint"),
    [
        ("COLOUR", "red", "ONSALE_COLOUR is not a setting"),
        ("SECRET_KEY", "short", "at least 32"),
        ("TRUSTED_PROXIES", "nobody", "ONSALE_TRUSTED_PROXIES"),
    ],
)
def test_a_setting_that_means_nothing_ends_the_start(name, value, hint, tmp_path):
    said = refused(run("up", **{"DATA_DIR": tmp_path / "data", name: value}), "bad_setting")
    assert hint in said
    assert not (tmp_path / "data").exists(), "nothing is begun on a wrong setting"


@pytest.mark.parametrize(
    ("name", "value", "hint"),
    [
        ("PORT", "eighty", "whole number"),
        ("PORT", "-1", "whole number"),
        ("PORT", "70000", "at most 65535"),
        ("WEB_PROCESSES", "0", "1 to 64"),
        ("WEB_PROCESSES", "1e9", "whole number"),
        ("GATEWAY", "cash", "ONSALE_GATEWAY"),
        ("SECURE_COOKIES", "perhaps", "1 or 0"),
        ("LOG_LEVEL", "loud", "ONSALE_LOG_LEVEL"),
        ("LOG_FORMAT", "xml", "ONSALE_LOG_FORMAT"),
    ],
)
def test_a_setting_that_means_nothing_is_named(name, value, hint):
    with pytest.raises(config.BadSetting, match=hint):
        config.read({f"ONSALE_{name}": value})


@pytest.mark.parametrize("words", [["up"], ["serve"], ["gateway", "--port"]])
def test_a_port_in_use_is_said(words, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        own = [str(port)] if words[-1] == "--port" else []
        said = refused(run(*words, *own, DATA_DIR=tmp_path, PORT=port), "port_in_use")
        assert str(port) in said
        assert "ONSALE_PORT" in said


@pytest.mark.parametrize("words", [["up"], ["migrate"], ["grant", "ann@example.org", "organiser"]])
def test_a_database_that_is_down_is_said(words, servers, tmp_path):
    said = refused(
        run(*words, DATABASE_URL=NOWHERE, REDIS_URL=servers.redis_url, DATA_DIR=tmp_path, PORT=0),
        "database_unavailable",
    )
    assert "onsale doctor" in said or "does not answer" in said


@pytest.mark.parametrize("words", [["up"], ["migrate"], ["gateway"]])
@pytest.mark.parametrize("place", ["a file", UNWRITABLE])
def test_a_data_folder_that_cannot_be_written_is_said(words, place, tmp_path):
    if place == "a file":
        place = str(tmp_path / "file")
        Path(place).write_text("mine")
    said = refused(run(*words, DATA_DIR=place, PORT=0), "data_dir_not_writable")
    assert place in said
    assert "ONSALE_DATA_DIR" in said


def test_the_doctor_lists_every_setting_hides_secrets_and_says_what_is_wrong(servers, tmp_path):
    secret = "a-very-secret-word-of-forty-characters.."
    url = NOWHERE + " password=hunter2"
    ended = run("doctor", SECRET_KEY=secret, DATABASE_URL=url, REDIS_URL=servers.redis_url, DATA_DIR=tmp_path)
    assert ended.code == 1
    said = ended.said
    assert "Traceback" not in said
    for field in fields(config.Settings):
        assert field.metadata["env"] in said
    assert secret not in said
    assert "hunter2" not in said
    assert re.search(r"wrong\s+database: .*not answer", said)
    assert "ONSALE_DATABASE_URL" in said
    assert re.search(r"ok\s+redis: answers", said)


def test_the_doctor_is_content_with_a_machine_that_has_not_begun(tmp_path):
    ended = run("doctor", DATA_DIR=tmp_path / "data", PORT=free_port())
    assert ended.code == 0, ended.said
    assert "wrong" not in ended.said
    assert not (tmp_path / "data").exists(), "looking changes nothing"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def test_a_chart_is_drawn_again_from_its_seed(tmp_path):
    first, second = (run("chart", "generate", "theatre", "620", "--seed", "7") for _ in range(2))
    assert first.code == 0, first.said
    assert first.said == second.said
    assert msgspec.json.decode(first.said[: first.said.rindex("}") + 1])["seats"] == 620
    written = run("chart", "generate", "club", "80", "--out", str(tmp_path / "club.json"))
    assert written.code == 0
    assert msgspec.json.decode((tmp_path / "club.json").read_bytes())["kind"] == "club"


@pytest.mark.parametrize("words", [["club", "0"], ["club", "80", "--out", "/proc/onsale/chart.json"]])
def test_a_chart_that_cannot_be_is_refused(words):
    ended = run("chart", "generate", *words)
    assert ended.code == 1
    assert "Traceback" not in ended.said
    assert ended.said.strip()


def test_migrating_twice_changes_nothing_and_roles_are_granted(database_url, servers, tmp_path):
    settings = {"DATABASE_URL": database_url, "REDIS_URL": servers.redis_url, "DATA_DIR": tmp_path}
    for _ in range(2):
        ended = run("migrate", **settings)
        assert ended.code == 0
        assert "up to date" in ended.said
    granted = run("grant", "Ann@Example.org", "organiser", **settings)
    assert granted.code == 0, granted.said
    assert "ann@example.org is now" in granted.said
    assert "organiser" in granted.said
    wrong = run("grant", "ann@example.org", "emperor", **settings)
    assert (wrong.code, "emperor" in wrong.said) == (1, True)
    assert "Traceback" not in wrong.said


TICKIT = {
    "venue_pipe.txt": "1|Sailors Villa|Newport|RI|120\n2|Harbour Villa|Newport|RI|90\n",
    "category_pipe.txt": "1|Concerts|Jazz|Small rooms\n",
    "date2008_pipe.txt": "1900|2008-03-15|SA|11|MAR|1|2008|f\n",
    "allevents_pipe.txt": "1|1|1|1900|Trio Tidewater|2008-03-15 20:00:00\n2|2|1|1900|Solo|2008-03-15 19:00:00\n",
}


def test_a_sample_folder_is_imported_and_on_sale(database_url, servers, tmp_path):
    folder = tmp_path / "tickit"
    folder.mkdir()
    for name, text in TICKIT.items():
        (folder / name).write_text(text)
    settings = {"DATABASE_URL": database_url, "REDIS_URL": servers.redis_url, "DATA_DIR": tmp_path / "data"}
    ended = run("import", str(folder), **settings)
    assert ended.code == 0, ended.said
    assert "2 events at 2 venues, 210 seats" in ended.said

    (folder / "venue_pipe.txt").write_text("one|Nowhere\n")
    wrong = run("import", str(folder), **settings)
    assert wrong.code == 1
    assert "venue_pipe.txt, line 1" in wrong.said
    missing = run("import", str(tmp_path), **settings)
    assert missing.code == 1
    assert "cannot be read" in missing.said
    assert "Traceback" not in wrong.said + missing.said


def test_a_machine_keeps_what_it_sold_and_counts_right_over_its_processes(tmp_path):
    """Seeded by hand, started, refused a twin, looked at by the doctor, stopped by Ctrl-C, started again."""
    data = tmp_path / "a folder"
    seeded = run("seed", DATA_DIR=data)
    assert seeded.code == 0, seeded.said
    assert re.search(r"Seeded \d+ events at \d+ venues", seeded.said)

    first, address = up(data, WEB_PROCESSES=2)
    try:
        assert "Seeded" not in first.said, "what is there is not planted twice"
        _counts_right(address)
        refused(run("up", DATA_DIR=data, PORT=0), "data_dir_in_use")
        ill = run("doctor", DATA_DIR=data, PORT=address.rpartition(":")[2])
        assert ill.code == 0, ill.said
        assert "onsale seems to be running" in ill.said
        ticket = _bought(address)
    finally:
        code = first.stop(signal.SIGINT)
    assert code == 0, first.said
    assert "Traceback" not in first.said, first.said
    assert "Stopped." in first.said

    second, address = up(data)
    try:
        assert httpx.get(f"{address}{ticket}").raise_for_status().json()["status"] == "valid"
    finally:
        assert second.stop(signal.SIGTERM) == 0, second.said


def _counts_right(address: str) -> None:
    """Each request on a connection of its own, so that both processes get some."""
    event = httpx.get(f"{address}/api/v1/events").json()["items"][0]["id"]
    asked = 60
    for _ in range(asked):
        httpx.get(f"{address}/api/v1/events/{event}/availability").raise_for_status()
    time.sleep(2 * limits.TALLY_EVERY_S)
    for _ in range(4):
        text = httpx.get(f"{address}/metrics").text
        found = re.search(r'\nonsale_http_requests_total\{route="availability",status="200"\} (\S+)\n', text)
        assert found is not None
        assert float(found.group(1)) == asked


def _bought(address: str) -> str:
    """Where the ticket just bought is shown."""
    with httpx.Client(base_url=f"{address}/api/v1", timeout=30) as client:
        token = client.post("/session", json={}).json()["token"]
        client.headers["Authorization"] = f"Bearer {token}"
        event = client.get("/events", params={"status": "OPEN"}).json()["items"][0]["id"]
        hold = client.post(f"/events/{event}/holds", json={"best": {"quantity": 1}}).raise_for_status().json()
        order = client.post("/orders", json={"holds": [hold["id"]], "email": "ann@example.org"}).json()
        paid = client.post(f"/orders/{order['id']}/payment", json={"method": "sandbox_ok"}).raise_for_status().json()
    shown: str = paid["tickets"][0]["json"]
    return shown


def test_a_shop_of_its_own_stops_its_embedded_servers_when_told(tmp_path):
    """`onsale serve` alone on a machine brings its servers and must not leave them behind."""
    assert run("migrate", DATA_DIR=tmp_path).code == 0
    port = free_port()
    running = Running.start("serve", DATA_DIR=tmp_path, PORT=port)
    await_answer(f"http://127.0.0.1:{port}/readyz")
    assert running.stop(signal.SIGTERM) == 0, running.said
    pid = int((tmp_path / "lock").read_text())
    assert pid == running.process.pid
    assert not (tmp_path / "postgres" / "postmaster.pid").exists(), "PostgreSQL was stopped in order"
    assert not [name for name in os.listdir(tmp_path / "run") if name.startswith(".s.PGSQL")]
