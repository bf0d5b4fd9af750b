"""A real server, and a real Chromium that may reach nothing else."""

import os
import shutil
from urllib.parse import urlsplit

import httpx
import pytest
from playwright.sync_api import sync_playwright

from tests.suites.serve.conftest import _no_network  # noqa: F401 — tests may reach this machine
from tests.suites.serve.servers import start

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP rebound.test 127.0.0.1",
]
WIDE, NARROW = {"width": 1200, "height": 800}, {"width": 360, "height": 740}
FACTS = {
    "garden": [
        "The apple tree was grafted by grandfather in 1971.",
        "Ada keeps bees behind the shed in two hives.",
        "Slugs ate the young lettuce in the second bed.",
    ],
    "trip": [
        "My sister Ada lives in Trondheim, in a yellow house near the river.",
        "The ferry to Bergen leaves at eight and takes sixteen hours.",
    ],
    "work": [
        "The quarterly report is due on the fourteenth.",
        "A clean build takes eleven minutes on the new runners.",
    ],
}


def chromium():
    """Return the browser's program; there is no test of the page without one."""
    names = (os.environ.get("LMORT_CHROMIUM", ""), "chromium", "chromium-browser", "google-chrome")
    found = next((path for name in names if name and (path := shutil.which(name))), None)
    assert found, "no Chromium: apt-get install chromium, or name one in LMORT_CHROMIUM"
    return found


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """A server that remembers FACTS."""
    running = start(tmp_path_factory.mktemp("home"))
    turns = [
        {"text": text, "session": session, "metadata": {"topic": session}}
        for session, texts in FACTS.items()
        for text in texts
    ]
    with httpx.Client(base_url=running.url, headers=running.headers, timeout=60) as client:
        for turn in turns:
            assert client.post("/api/records", json=turn).status_code == 201
    yield running
    running.stop()


@pytest.fixture
def api(server):
    """A client with the token."""
    with httpx.Client(base_url=server.url, headers=server.headers, timeout=60) as client:
        yield client


@pytest.fixture(scope="session")
def playwright():
    """What drives the browser."""
    with sync_playwright() as running:
        yield running


class Visit:
    """A page of a fresh profile, with everything that it asked for and complained of."""

    def __init__(self, context, url):
        self.page = context.pages[0] if context.pages else context.new_page()
        self.url = url
        self.asked = []
        self.complaints = []
        context.on("request", lambda request: self.asked.append(request.url))
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("dialog", self._refuse)

    def _hear(self, message):
        if message.type in ("error", "warning") and "status of 401" not in message.text:
            self.complaints.append(message.text)

    def _refuse(self, dialog):
        self.complaints.append(f"a dialog: {dialog.message}")
        dialog.dismiss()

    def go(self, place):
        """Show a view, and wait for its heading."""
        self.page.goto(f"{self.url}/#/{place}")
        self.page.wait_for_selector("h1:focus, textarea:focus")

    @property
    def strangers(self):
        """Every address asked for that is not the server's."""
        own = urlsplit(self.url).netloc
        return [
            one
            for one in self.asked
            if not one.startswith(("data:", "blob:")) and urlsplit(one).netloc != own
        ]


@pytest.fixture
def visit(playwright, server, tmp_path):
    """Open the page as `lmort-mem serve` prints it; at the end nothing may have complained."""
    opened = []

    def run(*, size=WIDE, theme="light", token=True, url=None):
        context = playwright.chromium.launch_persistent_context(
            str(tmp_path / f"profile-{len(opened)}"),
            executable_path=chromium(),
            args=ARGUMENTS,
            viewport=size,
            color_scheme=theme,
            locale="en-GB",
        )
        context.set_default_timeout(20_000)
        opened.append(context)
        seen = Visit(context, url or server.url)
        seen.page.goto(f"{seen.url}/#token={server.token}" if token else seen.url)
        if token:
            seen.page.wait_for_selector("h1")
        return seen

    yield run
    for context in opened:
        context.close()
