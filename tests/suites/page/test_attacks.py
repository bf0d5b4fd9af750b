"""What others try: markup in memories, pages of other origins, a name that is bound anew."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest

from tests.suites.serve.servers import start

ATTACK = "<img src=x onerror=\"window.owned='img'\"><script>window.owned='script'</script>"
LINK = "javascript:window.owned='link'"


@pytest.fixture
def stranger():
    """A web site of another origin; its page is set by the test."""

    class Handler(BaseHTTPRequestHandler):
        page = ""

        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(self.page.encode())

        def log_message(self, *_):
            pass

    site = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=site.serve_forever, daemon=True).start()
    Handler.url = f"http://127.0.0.1:{site.server_port}"
    yield Handler
    site.shutdown()
    site.server_close()


def test_markup_stays_text(visit, api):
    """Markup in text, session, role, scope, metadata and a file's name is shown as it is."""
    turn = {"text": ATTACK, "session": ATTACK, "role": ATTACK, "scope": ATTACK}
    id_ = api.post("/api/records", json={**turn, "metadata": {ATTACK: LINK}}).json()["id"]
    api.post("/api/records", json={**turn, "text": LINK})
    api.patch(f"/api/records/{id_}", json={"text": f"{ATTACK} edited"})
    sent = api.post(
        "/api/imports", params={"name": "<img src=x onerror=window.owned=1>.md"},
        content=f"# {ATTACK}\n\n{ATTACK} from a file\n".encode(),
        headers={"Content-Type": "application/octet-stream"},
    )  # fmt: skip
    assert sent.status_code == 202, sent.text
    seen = visit()
    for place in ("memories", f"record/{id_}", "sessions", "import", "map", "status"):
        seen.go(place)
        seen.page.wait_for_timeout(300)
        assert seen.page.locator("main img, main script, main [onerror]").count() == 0, place
        assert seen.page.locator("a[href^='javascript']").count() == 0, place
        assert seen.page.evaluate("window.owned") is None, place
    seen.go(f"record/{id_}")
    assert seen.page.locator(".memory").inner_text() == f"{ATTACK} edited"
    seen.page.get_by_role("button", name="Forget…").click()
    seen.page.get_by_role("dialog").get_by_text("onerror").first.wait_for()
    assert seen.page.evaluate("window.owned") is None
    assert seen.complaints == [] and seen.strangers == []


def test_the_policy_holds_even_if_the_page_errs(visit, stranger):
    """Inline scripts do not run, markup cannot be assigned, and nothing is fetched elsewhere."""
    page = visit().page
    page.evaluate(
        """() => {
          const script = document.createElement("script");
          try { script.textContent = "window.owned = 1"; } catch { /* trusted types */ }
          document.body.append(script);
          const image = new Image();
          try { image.setAttribute("onerror", "window.owned = 2"); } catch { /* trusted types */ }
          image.src = "missing.png";
          document.body.append(image);
        }"""
    )
    assert page.evaluate(
        "try { document.body.innerHTML = '<b>x</b>'; 'assigned' } catch (e) { e.name }"
    ) in ("TypeError",)
    elsewhere = page.evaluate(
        "url => fetch(url, {mode: 'no-cors'}).then(() => 'sent', e => e.name)", stranger.url
    )
    assert elsewhere == "TypeError"
    page.wait_for_timeout(300)
    assert page.evaluate("window.owned") is None


def test_another_origin(visit, playwright, server, stranger, api, tmp_path):
    """A page of another origin reads nothing, writes nothing and cannot frame the page."""
    free = start(tmp_path / "open", "--no-token")
    try:
        for url, token in ((server.url, server.token), (free.url, "")):
            stranger.page = "<!doctype html><title>stranger</title>"
            page = visit(token=False, url=stranger.url).page
            tried = page.evaluate(
                """async ([url, token]) => {
                  const headers = token ? { Authorization: `Bearer ${token}` } : {};
                  const read = await fetch(`${url}/api/records`, { headers })
                    .then((r) => r.text(), (e) => e.name);
                  await fetch(`${url}/api/records`, { method: "POST", mode: "no-cors",
                    body: JSON.stringify({ text: "Planted by a stranger." }) }).catch(() => {});
                  return read;
                }""",
                [url, token],
            )
            assert tried == "TypeError"
            page.evaluate(
                """url => new Promise(loaded => {
                  const frame = document.createElement("iframe");
                  frame.onload = loaded;
                  frame.src = url;
                  document.body.append(frame);
                })""",
                url,
            )
            inner = page.frames[-1]
            assert inner.locator("nav").count() == 0
        for url, headers in ((server.url, server.headers), (free.url, {})):
            found = httpx.get(f"{url}/api/records", headers=headers, timeout=60).json()["records"]
            assert all("stranger" not in record["text"] for record in found)
    finally:
        free.stop()


def test_rebinding(visit, server):
    """Under a name that was bound to this machine the server answers nothing of its own."""
    port = server.url.rsplit(":", 1)[1]
    seen = visit(token=False, url=f"http://rebound.test:{port}")
    assert "this server is not" in seen.page.inner_text("body")
    status = seen.page.evaluate("fetch('/api/records').then(r => r.status)")
    assert status == 421
    assert seen.page.evaluate("fetch('/index.html').then(r => r.status)") == 421
