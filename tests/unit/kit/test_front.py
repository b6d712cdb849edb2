"""Whose page makes a browser write: with a cookie, only our own may."""

import pytest

from onsale.kit.front import is_cross_site

OURS = (b"host", b"shop.test:8000")
SAME = (b"sec-fetch-site", b"same-origin")


def write(*headers, method="POST"):
    return {"type": "http", "method": method, "headers": list(headers)}


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [(b"origin", b"http://shop.test:8000")],
        [(b"origin", b"https://shop.test:8000")],
        [SAME],
        [(b"sec-fetch-site", b"none")],
        [(b"origin", b"https://other.test"), (b"authorization", b"Bearer a.b.c")],
    ],
)
def test_our_own_pages_and_programs_may_write(headers):
    assert not is_cross_site(write(OURS, *headers))


@pytest.mark.parametrize(
    "headers",
    [
        [(b"sec-fetch-site", b"cross-site")],
        [(b"sec-fetch-site", b"same-site")],
        [(b"sec-fetch-site", b"cross-site"), (b"origin", b"http://shop.test:8000")],
        [(b"origin", b"https://other.test")],
        [(b"origin", b"https://shop.test")],
        [(b"origin", b"https://shop.test:8000.other.test")],
        [(b"origin", b"https://shop.test:8000@other.test")],
        [(b"origin", b"null")],
        [(b"origin", b"")],
        [(b"origin", b"http://[")],
        [(b"origin", b"http://\xff\xfe")],
        [(b"origin", b"https://other.test"), (b"authorization", b"Basic YTpi")],
    ],
)
def test_another_site_may_not_whatever_it_writes_into_its_origin(headers):
    assert is_cross_site(write(OURS, *headers))
    assert is_cross_site(write(*headers)), "without a host, nothing is our own"


def test_looking_is_free_for_all():
    for method in ("GET", "HEAD", "OPTIONS"):
        assert not is_cross_site(write(OURS, (b"sec-fetch-site", b"cross-site"), method=method))
    for method in ("PUT", "PATCH", "DELETE"):
        assert is_cross_site(write(OURS, (b"sec-fetch-site", b"cross-site"), method=method))
