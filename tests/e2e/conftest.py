"""A fan at a browser, in front of a real `onsale up` with its demo season."""

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Browser, sync_playwright
from tests.e2e.fan import Fan, Site
from tests.running import up

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
ARGUMENTS = [
    *("--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
    # Chromium's own sandbox cannot be set up by root.
    *(["--no-sandbox"] if os.geteuid() == 0 else []),
]
SIZES = {"desktop": (1280, 900), "phone": (390, 844)}
PICTURE_BYTES_MAX = 250_000

Visit = Callable[..., Fan]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--screenshots", metavar="DIR", help="keep a picture of each page of the purchase in this folder")


# The scope is this folder: a browser's event loop must be gone before other tests begin their own.
@pytest.fixture(scope="package")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The whole system, as a newcomer starts it; it must end cleanly, too."""
    running, address = up(tmp_path_factory.mktemp("site") / "a folder", WEB_PROCESSES=1)
    yield Site(address)
    assert running.stop(signal.SIGINT) == 0, running.said
    assert "Stopped." in running.said
    assert "Traceback" not in running.said, running.said


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.fail("These tests need Chromium. Type: apt-get install chromium", pytrace=False)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=found, args=ARGUMENTS)
        yield chromium
        chromium.close()


@pytest.fixture(params=SIZES)
def size(request: pytest.FixtureRequest) -> str:
    """Every test that asks for it runs at desktop and at phone size."""
    name: str = request.param
    return name


@pytest.fixture
def visit(browser: Browser, site: Site) -> Iterator[Visit]:
    """Fans with browsers of their own. At the end no page may have complained: no script error, no broken policy."""
    fans: list[Fan] = []

    def arrive(size: str = "desktop", **options: Any) -> Fan:
        width, height = SIZES[size]
        phone: dict[str, Any] = (
            {"has_touch": True, "is_mobile": True, "device_scale_factor": 2} if size == "phone" else {}
        )
        context = browser.new_context(
            viewport={"width": width, "height": height}, base_url=site.address, locale="en-GB", **phone, **options
        )
        fans.append(Fan(site, context, size))
        return fans[-1]

    yield arrive
    complaints = [complaint for fan in fans for complaint in fan.complaints]
    for fan in fans:
        fan.context.close()
    assert not complaints


@pytest.fixture
def picture(request: pytest.FixtureRequest) -> Callable[[Fan, str], None]:
    """Keeps a picture of what a fan sees, where `--screenshots` asks for it."""
    folder = request.config.getoption("screenshots", default=None)

    def take(fan: Fan, name: str) -> None:
        if folder is None:
            return
        shot = Image.open(BytesIO(fan.page.screenshot(animations="disabled")))
        path = Path(folder) / f"{name}-{fan.size}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        shot.convert("RGB").quantize(256, kmeans=1, dither=Image.Dither.NONE).save(path, optimize=True)
        assert path.stat().st_size < PICTURE_BYTES_MAX, f"{path} is {path.stat().st_size} bytes"

    return take
