"""What a person does with the page, in a real Chromium."""

import re

import pytest
from playwright.sync_api import expect

from tests.suites.page.conftest import NARROW

VIEWS = ("memories", "sessions", "session/garden/default", "chat", "import", "map", "status")


@pytest.fixture
def seen(visit):
    """The page, with the token; nothing may go wrong in it, and nothing may leave the machine."""
    seen = visit()
    yield seen
    assert seen.complaints == []
    assert seen.strangers == []


def add(api, text, **more):
    """Remember a text and return its id."""
    return api.post("/api/records", json={"text": text, **more}).json()["id"]


def test_token(visit, server):
    """Without the token nothing is shown; a wrong one says so; the right one opens the page."""
    page = visit(token=False).page
    expect(page.get_by_role("heading")).to_have_text("This memory is locked")
    page.get_by_label("Token").fill("a wrong token of some length")
    page.get_by_role("button", name="Unlock").click()
    expect(page.get_by_role("alert")).to_contain_text("--show-token")
    page.get_by_label("Token").fill(server.token)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Memories")).to_be_visible()
    page.reload()
    expect(page.get_by_role("heading", name="Memories")).to_be_visible()


def test_the_token_leaves_the_address(seen, server):
    """The printed address opens the page, and the token is not left where it can be read."""
    assert server.token not in seen.page.url
    assert seen.page.evaluate("localStorage.length") == 0


def test_search_filter_and_open(seen):
    """Results follow the typing, a filter narrows them, and Back returns to them."""
    page = seen.page
    page.get_by_role("searchbox").press_sequentially("where does my sister live", delay=15)
    expect(page.locator("tbody tr").first).to_contain_text("yellow house")
    page.get_by_text("Filters", exact=True).click()
    page.get_by_label("Session").fill("garden")
    expect(page.locator("tbody tr")).to_have_count(3)
    page.get_by_label("Session").fill("")
    page.get_by_label("Metadata").fill("topic=work")
    expect(page.locator("tbody tr")).to_have_count(2)
    page.get_by_label("Metadata").fill("nonsense")
    expect(page.get_by_role("alert")).to_contain_text("name=value")
    page.get_by_label("Metadata").fill("")
    page.locator("tbody a", has_text="yellow house").click()
    expect(page.get_by_role("heading", name="Memory", exact=True)).to_be_focused()
    page.go_back()
    expect(page.get_by_role("searchbox")).to_have_value("where does my sister live")


def test_pages(seen, api):
    """Older and Newer go through all records, each shown once."""
    texts = {f"Line {i} of the long list." for i in range(120)}
    records = [{"text": text, "scope": "long"} for text in sorted(texts)]
    assert api.post("/api/records/batch", json={"records": records}).status_code == 201
    page = seen.page
    page.goto(f"{seen.url}/#/memories?scope=long")
    expect(page.locator(".count")).to_have_text("1\u201350 of 120 memories")
    found = page.locator("tbody a").all_inner_texts()
    for shown in ("51\u2013100 of 120", "101\u2013120 of 120"):
        page.get_by_role("button", name="Older").click()
        expect(page.locator(".count")).to_contain_text(shown)
        found += page.locator("tbody a").all_inner_texts()
    assert len(found) == 120 and set(found) == texts
    expect(page.get_by_role("button", name="Older")).to_be_disabled()
    page.get_by_role("button", name="Newer").click()
    expect(page.locator(".count")).to_contain_text("51\u2013100 of 120")
    asked = [url for url in seen.asked if "/api/records?" in url]
    assert all("limit=50" in url for url in asked)


def test_edit_keeps_history(seen, api):
    """An edit is shown, and the old version stays as history."""
    id_ = add(api, "The spare key is under the pot.", session="keys")
    seen.go(f"record/{id_}")
    page = seen.page
    page.get_by_role("button", name="Edit").click()
    page.get_by_role("dialog").get_by_label("Text").fill("The spare key is in the shed.")
    page.get_by_role("dialog").get_by_label("Metadata").fill('{"place": "shed"}')
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".memory")).to_have_text("The spare key is in the shed.")
    expect(page.locator(".versions li")).to_have_count(2)
    expect(page.locator(".versions li").last).to_contain_text("under the pot")
    record = api.get(f"/api/records/{id_}").json()["record"]
    assert record["metadata"] == {"place": "shed"}


def test_forget_with_what_repeats_it(seen, api):
    """The preview names what repeats the text, the receipt says that nothing is left."""
    said = "The combination of the small safe is nine four seven two."
    first = add(api, said, session="safe")
    second = add(api, f"You said: {said}", session="safe", role="assistant")
    page = seen.page
    page.goto(f"{seen.url}/#/memories?session=safe")
    page.locator("tr", has_text="You said").locator("xpath=following-sibling::tr").get_by_role(
        "checkbox"
    ).check()
    page.get_by_role("button", name="Forget 1…").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("1 other memory repeats some of this")
    dialog.get_by_role("checkbox").check()
    dialog.get_by_role("button", name="Forget 1 memory").click()
    expect(dialog).to_contain_text("nothing of the text is left in any file")
    expect(dialog.locator("div", has_text=re.compile("^Memories2$"))).to_be_visible()
    dialog.get_by_role("button", name="Done").click()
    expect(page.get_by_text("Nothing matches these filters")).to_be_visible()
    assert {api.get(f"/api/records/{one}").status_code for one in (first, second)} == {404}


def test_cancelled_forget_forgets_nothing(seen, api):
    """Escape closes the question, and the record is still there."""
    id_ = add(api, "This one is to be kept.")
    seen.go(f"record/{id_}")
    seen.page.get_by_role("button", name="Forget…").click()
    expect(seen.page.get_by_role("dialog")).to_contain_text("This one is to be kept.")
    seen.page.keyboard.press("Escape")
    expect(seen.page.get_by_role("dialog")).to_be_hidden()
    assert api.get(f"/api/records/{id_}").status_code == 200


def test_import(seen, tmp_path):
    """A chosen file and a dropped one are imported, with their counts, and can be found."""
    notes = tmp_path / "harbour.md"
    notes.write_text("# Harbour\n\nThe harbour master's dog is called Bosun.\n")
    other = tmp_path / "dropped.md"
    other.write_text("# Dropped\n\nThe lighthouse was painted red in spring.\n")
    seen.go("import")
    page = seen.page
    page.get_by_label("Files to import").set_input_files(notes)
    expect(page.locator(".jobs li.done", has_text="harbour.md")).to_contain_text("1 added")
    box = page.locator(".drop").bounding_box()
    devtools = page.context.new_cdp_session(page)
    data = {"items": [], "files": [str(other)], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        place = {"x": box["x"] + 20, "y": box["y"] + 20}
        devtools.send("Input.dispatchDragEvent", {"type": kind, **place, "data": data})
    expect(page.locator(".jobs li.done", has_text="dropped.md")).to_contain_text("1 added")
    seen.go("memories")
    page.get_by_role("searchbox").fill("harbour master's dog")
    page.locator("tbody a", has_text="Bosun").click()
    expect(page.get_by_text("harbour.md")).to_be_visible()


def test_chat_with_why(seen, api):
    """A turn is answered, with its notes and their scores; the memory says where it was used."""
    seen.go("chat")
    page = seen.page
    page.get_by_label("Your message").fill("In which town does my sister Ada live?")
    page.keyboard.press("Enter")
    why = page.locator("details.why")
    expect(why.locator("summary")).to_contain_text("recalled", timeout=90_000)
    assert page.locator(".talk .assistant .whole").inner_text().strip()
    why.locator("summary").click()
    expect(why).to_contain_text("meaning")
    why.get_by_role("link", name="yellow house").click()
    used = page.locator("section", has=page.get_by_role("heading", name="Used in"))
    expect(used).to_contain_text("In which town does my sister Ada live?")
    page.get_by_role("link", name="Chat").click()
    expect(page.locator(".talk .user")).to_contain_text("In which town")


def test_map(seen):
    """A click on a point opens its memory; so do the arrow keys and Enter."""
    seen.go("map")
    page = seen.page
    canvas = page.locator("canvas")
    canvas.focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator(".caption a")).to_be_visible()
    page.keyboard.press("+")
    page.keyboard.press("0")
    place = page.evaluate(
        """() => {
          const canvas = document.querySelector("canvas");
          const pen = canvas.getContext("2d");
          const { data, width } = pen.getImageData(0, 0, canvas.width, canvas.height);
          let i = 3;
          while (data[i] < 190) i += 4;
          return { x: (i >> 2) % width, y: Math.floor((i >> 2) / width) };
        }"""
    )
    canvas.click(position=place)
    expect(page.get_by_role("heading", name="Memory", exact=True)).to_be_visible()
    page.go_back()
    page.locator("canvas").focus()
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Memory", exact=True)).to_be_visible()


def test_keyboard_alone(seen):
    """From the search to a record and to its forgetting without a mouse."""
    page = seen.page
    page.keyboard.press("/")
    expect(page.get_by_role("searchbox")).to_be_focused()
    page.keyboard.type("ferry to Bergen")
    expect(page.locator("tbody tr").first).to_contain_text("ferry")
    for _ in range(3):
        page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    expect(page.locator("tbody tr :focus")).to_have_count(1)
    page.locator("tbody a").first.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Memory", exact=True)).to_be_focused()
    page.get_by_role("button", name="Forget…").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name="Keep")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Forget…")).to_be_focused()


def test_a_server_that_is_gone(visit, server, playwright):
    """When the server does not answer, the page says what to do."""
    seen = visit()
    seen.page.context.set_offline(True)
    seen.page.get_by_role("link", name="Status").click()
    expect(seen.page.get_by_role("alert")).to_contain_text("lmort-mem serve")
    seen.page.context.set_offline(False)
    seen.page.get_by_role("button", name="Try again").click()
    expect(seen.page.get_by_role("heading", name="Status")).to_be_visible()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_accessible_and_narrow(visit, api, theme):
    """Axe finds nothing in any view of either theme, and nothing is wider than 360 pixels."""
    from axe_playwright_python.sync_playwright import Axe

    seen = visit(size=NARROW, theme=theme)
    record = api.get("/api/records", params={"session": "garden"}).json()["records"][0]["id"]
    for place in (*VIEWS, f"record/{record}"):
        seen.go(place)
        found = Axe().run(seen.page)
        assert found.violations_count == 0, f"{place}: {found.generate_report()}"
        wide = seen.page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert wide <= 0, f"{place} is {wide} pixels too wide"
    assert seen.strangers == []


def test_correct(seen, api):
    """A correction takes the old record's place, which stays and says so."""
    old = add(api, "The piano tuner is called Okafor.", session="piano")
    seen.go(f"record/{old}")
    page = seen.page
    page.get_by_role("button", name="Correct").click()
    page.get_by_label("What is true now").fill("The piano tuner is called Lindqvist.")
    page.get_by_role("dialog").get_by_role("button", name="Correct").click()
    expect(page.locator(".memory")).to_have_text("The piano tuner is called Lindqvist.")
    found = api.get(f"/api/records/{old}").json()["record"]
    assert page.url.endswith(found["superseded_by"])
    seen.go(f"record/{old}")
    expect(page.get_by_text("This no longer holds")).to_be_visible()
