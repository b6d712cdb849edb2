"""Work in threads has a bound, and each kind its own."""

import asyncio
import threading

import pytest

from onsale import limits
from onsale.kit import crunch, mail
from onsale.kit.crunch import Threads
from onsale.kit.problems import Overloaded

pytestmark = pytest.mark.anyio


async def test_what_comes_behind_a_full_queue_is_refused_at_once_and_a_place_is_free_again_after_the_work():
    threads, go_on = Threads("test", 1, 2), threading.Event()
    working = [asyncio.create_task(threads.run(go_on.wait, 10)) for _ in range(2)]
    await asyncio.sleep(0.05)
    with pytest.raises(Overloaded):
        await threads.run(int)
    go_on.set()
    assert await asyncio.gather(*working) == [True, True]
    assert await threads.run(int, "7") == 7


async def test_who_gives_up_waiting_gives_a_place_back_when_the_work_has_not_begun_or_has_ended():
    threads, go_on = Threads("test", 1, 2), threading.Event()
    working = [asyncio.create_task(threads.run(go_on.wait, 10)) for _ in range(2)]
    await asyncio.sleep(0.05)
    for task in working:
        task.cancel()
    await asyncio.gather(*working, return_exceptions=True)
    waiting = asyncio.create_task(threads.run(int, "7"))
    await asyncio.sleep(0.05)
    with pytest.raises(Overloaded):
        await threads.run(int)
    go_on.set()
    assert await waiting == 7


async def test_what_the_work_raises_is_raised():
    with pytest.raises(ValueError, match="seven"):
        await Threads("test", 1, 1).run(int, "seven")


async def test_a_picture_that_is_looked_at_does_not_wait_for_letters():
    go_on = threading.Event()
    letter = asyncio.create_task(crunch.crunch(go_on.wait, 10))
    await asyncio.sleep(0.05)
    assert await asyncio.wait_for(crunch.draw(int, "7"), 5) == 7
    assert not letter.done()
    go_on.set()
    await letter


async def test_mail_that_hangs_has_threads_of_its_own_and_an_end(monkeypatch):
    monkeypatch.setattr(limits, "MAIL_WORK_MAX", 1)
    go_on = threading.Event()
    monkeypatch.setattr(mail, "_deliver", lambda *_: go_on.wait(10))
    mailer = mail.SmtpMailer("smtp://127.0.0.1:1", "onsale <a@shop.test>")
    letter = mail.Message(to="ann@example.org", subject="Hello", text="Hello")
    sending = asyncio.create_task(mailer.send(letter))
    await asyncio.sleep(0.05)
    with pytest.raises(mail.MailUnavailable):
        await mailer.send(letter)
    assert await asyncio.wait_for(asyncio.to_thread(int, "7"), 5) == 7
    go_on.set()
    await sending
