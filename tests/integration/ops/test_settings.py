"""Settings that cannot work are said in a line, before anything begins, and never as a stack trace."""

from pathlib import Path
from typing import Any

import pytest
from tests.running import run

from onsale import config, ops
from onsale.config import BadSetting, Settings


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HOST", "no host"),
        ("HOST", "[::1]"),
        ("HOST", "http://localhost"),
        ("PUBLIC_URL", "http://[x"),
        ("PUBLIC_URL", "tickets.example.org"),
        ("PUBLIC_URL", "https://example.org/tickets"),
        ("PUBLIC_URL", "https://example.org:eighty"),
        ("GATEWAY_URL", "127.0.0.1:8001"),
        ("DATABASE_URL", "nonsense"),
        ("DATABASE_READ_URL", "postgresql://[x"),
        ("REDIS_URL", "localhost:6379"),
        ("REDIS_URL", "redis://localhost:many"),
        ("SMTP_URL", "mail.example:25"),
        ("MAIL_FROM", "nobody"),
        ("TRUSTED_PROXIES", "nobody"),
    ],
)
def test_an_address_that_cannot_be_one_is_named(name: str, value: str):
    with pytest.raises(BadSetting, match=f"ONSALE_{name}"):
        ops.check(config.read({f"ONSALE_{name}": value}))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HOST", "::1"),
        ("HOST", "fe80::1%eth0"),
        ("HOST", "tickets-1.example.org"),
        ("PUBLIC_URL", "https://tickets.example.org/"),
        ("PUBLIC_URL", "http://[::1]:8000"),
        ("GATEWAY_URL", "https://bank.example.org/sandbox"),
        ("DATABASE_URL", "host=/run/postgres dbname=onsale"),
        ("DATABASE_URL", "postgresql://ann:secret@db.example.org/onsale?sslmode=require"),
        ("REDIS_URL", "unix:///run/valkey.sock"),
        ("REDIS_URL", "rediss://:secret@cache.example.org:6380/2"),
        ("SMTP_URL", "smtps://ann:secret@mail.example.org"),
        ("MAIL_FROM", "Tickets <tickets@example.org>"),
    ],
)
def test_an_address_that_can_be_one_is_taken(name: str, value: str):
    ops.check(config.read({f"ONSALE_{name}": value}))


@pytest.mark.parametrize(
    ("words", "settings"),
    [
        (["doctor"], {"REDIS_URL": "localhost:6379"}),
        (["migrate"], {"DATABASE_URL": "nonsense"}),
        (["serve"], {"PUBLIC_URL": "http://[x"}),
        (["grant", "a@b.de", "operator"], {"SMTP_URL": "mail.example:25"}),
    ],
)
def test_every_command_says_a_bad_setting_in_a_line(words: list[str], settings: dict[str, Any], tmp_path: Path):
    ended = run(*words, DATA_DIR=tmp_path / "data", PORT=0, **settings)
    assert ended.code == 1
    assert "Traceback" not in ended.said, ended.said
    assert "(bad_setting)" in ended.said
    assert not (tmp_path / "data").exists(), "nothing is begun on a wrong setting"


def test_the_doctor_says_that_a_host_is_unknown(tmp_path: Path):
    ended = run("doctor", DATA_DIR=tmp_path, HOST="no.such.host.invalid")
    assert ended.code == 1
    assert "Traceback" not in ended.said, ended.said
    assert "ONSALE_HOST" in ended.said.split("address:")[1]


def test_an_empty_data_folder_is_not_the_one_we_stand_in():
    for empty in ("", " "):
        assert config.read({"ONSALE_DATA_DIR": empty}).data_dir == Path("var")


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8000"),
        ("::1", "http://[::1]:8000"),
        ("0.0.0.0", "http://127.0.0.1:8000"),
        ("::", "http://[::1]:8000"),
        ("fe80::1", "http://[fe80::1]:8000"),
    ],
)
def test_a_link_leads_to_where_we_can_be_reached(host: str, url: str):
    assert Settings(host=host).base_url == url
    assert Settings(host=host, public_url="https://tickets.example.org/").base_url == "https://tickets.example.org"


@pytest.mark.parametrize(
    ("settings", "shown"),
    [
        ({}, True),
        ({"host": "localhost"}, True),
        ({"host": "::1"}, True),
        ({"host": "0.0.0.0"}, False),
        ({"host": "::"}, False),
        ({"host": "0.0.0.0", "public_url": "http://localhost:8000"}, False),
        ({"public_url": "https://tickets.example.org"}, False),
        ({"trusted_proxies": "127.0.0.1"}, False),
        ({"secure_cookies": True}, False),
        ({"smtp_url": "smtp://mail.example.org"}, False),
    ],
)
def test_the_mailbox_has_a_page_only_where_we_serve_this_machine_alone(settings: dict[str, Any], shown: bool):
    assert Settings(**settings).mailbox_page is shown
