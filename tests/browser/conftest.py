"""Fixtures of the tests in Chromium, driven by Playwright.

A visit fails on an error in the console, and on a request to another host than the service. Its
screenshots are kept in tests/.page/.
"""

import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.browser.visit import DESKTOP, Open, Visit
from tests.support.serving import Server

# Chromium has no sandbox as root. The other flags keep it from calling home and from needing a
# screen.
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Run Chromium.

    Playwright's event loop runs as long as Chromium does. No other may run meanwhile, so it must
    end before the asynchronous tests of other packages.
    """
    found = filter(
        None,
        map(
            shutil.which, ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
        ),
    )
    program = next(found, None)
    if program is None:
        pytest.skip("needs Chromium on the PATH (Debian: apt install chromium)")
    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield running
        running.close()


@pytest.fixture
def open_page(browser: Browser, service: Server) -> Iterator[Open]:
    """Yield a function that opens the page; assert at the end that it had no problem.

    Its requests must go to the service alone.
    """
    visits: list[Visit] = []

    def opened(path: str = "/", url: str = service.url, **context: Any) -> Visit:
        made = browser.new_context(**{"viewport": DESKTOP, "accept_downloads": True, **context})
        made.set_default_timeout(10_000)
        visit = Visit(made.new_page(), url, made)
        visits.append(visit)
        visit.page.on("console", visit.heard)
        visit.page.on("pageerror", lambda error: visit.problems.append(str(error)))
        made.on("request", visit.asked)
        visit.page.goto(url + path)
        return visit

    yield opened
    for visit in visits:
        visit.context.close()
        assert not visit.problems
        assert not [
            asked
            for asked in visit.requests
            if not asked.startswith((f"{visit.url}/", "blob:", "data:"))
        ]
