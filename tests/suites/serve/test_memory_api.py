"""The memory over HTTP: what it promises, who may use it, and schemathesis's opinion of it."""

import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx
import pytest


@pytest.fixture
def api(server):
    """A client with the token."""
    with httpx.Client(base_url=server.url, headers=server.headers, timeout=60) as client:
        yield client


def add(api, text, **more):
    """Remember a text and return its record."""
    answer = api.post("/api/records", json={"text": text, **more})
    assert answer.status_code == 201, answer.text
    return answer.json()


def test_a_record_from_birth_to_its_receipt(api):
    """Added, found, edited with its history, forgotten with a receipt, gone."""
    record = add(api, "The cellar key hangs behind the clock.", scope="life")
    hits = api.post("/api/search", json={"query": "Where is the key?", "scope": "life"}).json()
    assert hits["hits"][0]["record"]["id"] == record["id"]
    new = {"text": "The cellar key lies in the blue jar."}
    assert api.patch(f"/api/records/{record['id']}", json=new).json()["text"] == new["text"]
    detail = api.get(f"/api/records/{record['id']}").json()
    assert [one["text"] for one in detail["history"]] == [record["text"], new["text"]]
    assert detail["vectors"][0]["chunks"] == 1 and not detail["pending"]
    receipt = api.delete(f"/api/records/{record['id']}").json()
    assert receipt["records"] == 1 and receipt["verified"]
    assert api.get(f"/api/records/{record['id']}").status_code == 404
    assert api.delete(f"/api/records/{record['id']}").status_code == 404


def test_every_part_of_a_score_is_shown(api):
    """As the library has it: the API's schema leaves none out."""
    from dataclasses import fields

    from lmort_memory import Scores

    add(api, "The ladder stands in the barn.", scope="parts")
    hits = api.post("/api/search", json={"query": "Where is the ladder?", "scope": "parts"}).json()
    assert set(hits["hits"][0]["scores"]) == {field.name for field in fields(Scores)}


def test_all_scopes_are_no_place_for_a_record(api):
    """Whoever searches in "*" searches everywhere, so nothing is stored under that name."""
    assert api.post("/api/records", json={"text": "Bees.", "scope": "*"}).status_code == 400
    assert api.post("/api/imports?name=a.md&scope=*", content=b"# Bees").status_code == 400


def test_a_server_of_one_scope_that_redacts(fresh_server, monkeypatch):
    """What names no scope is stored and searched in the server's, without secrets."""
    secret = "ghp_" + "aB3dE6gH9" * 4
    monkeypatch.setenv("LMORT_REDACT", "true")
    server = fresh_server("--scope", "work")
    with httpx.Client(base_url=server.url, headers=server.headers, timeout=60) as api:
        record = add(api, f"The staging key is {secret}.")
        assert record["scope"] == "work"
        assert record["text"] == "The staging key is [redacted: GitHub token]."
        add(api, "The staging key is under the mat.", scope="life")
        for scope, found in (({}, {"work"}), ({"scope": None}, {"work", "life"})):
            hits = api.post("/api/search", json={"query": "staging key", **scope}).json()["hits"]
            assert {hit["record"]["scope"] for hit in hits} == found


def test_pages_are_stable(api):
    """Pages go backwards without gaps, while others write."""
    added = {"records": [{"text": f"Entry {i} of the log.", "scope": "pages"} for i in range(25)]}
    assert len(api.post("/api/records/batch", json=added).json()["records"]) == 25
    seen, before = [], None
    while True:
        query = {"scope": "pages", "limit": 10} | ({"before": before} if before else {})
        page = api.get("/api/records", params=query).json()
        seen += [record["id"] for record in page["records"]]
        add(api, f"Written meanwhile {len(seen)}.", scope="pages")
        before = page["next"]
        if before is None:
            break
    assert len(seen) == len(set(seen)) == 25
    assert seen == sorted(seen, reverse=True)
    count = api.get("/api/records/count", params={"scope": "pages"}).json()
    assert count["total"] == count["scopes"]["pages"] == 28


def test_forget_previews_first(api):
    """A preview counts and shows, and nothing is gone; without a condition nothing is done."""
    for i in range(3):
        add(api, f"Draft {i}.", scope="drafts")
    preview = api.post("/api/forget", json={"scope": "drafts", "preview": True}).json()
    assert preview["records"] == 3 and preview["receipt"] is None
    assert len(preview["examples"]) == 3
    done = api.post("/api/forget", json={"scope": "drafts"}).json()
    assert done["receipt"]["records"] == 3
    for nothing in ({}, {"where": {}}, {"ids": []}):
        assert api.post("/api/forget", json=nothing).status_code == 422


def test_an_import_shows_its_progress(api, server):
    """A file that is sent becomes records, is imported once, and leaves no copy behind."""
    note = b"# Bees\n\nThe hive by the fence has a new queen.\n"
    for added in (1, 0):
        begun = api.post(
            "/api/imports", params={"name": "notes/bees.md", "scope": "files"}, content=note
        )
        assert begun.status_code == 202
        while True:
            state = api.get(f"/api/imports/{begun.json()['id']}").json()
            if state["state"] in ("done", "failed"):
                break
            time.sleep(0.05)
        assert state["state"] == "done", state
        assert state["added"] == added
    uploads = server.home / "data" / "uploads"
    assert [path for path in uploads.rglob("*") if path.is_file()] == []
    for name in ("../../x.md", "/etc/x.md", "a/../../b.md"):
        assert api.post("/api/imports", params={"name": name}, content=note).status_code == 400


def test_an_export_comes_back(api):
    """What /api/export sends, /api/imports takes back."""
    record = add(api, "A thing to carry elsewhere.", scope="carried")
    lines = api.get("/api/export", params={"scope": "carried"}).text.splitlines()
    assert [json.loads(line)["id"] for line in lines] == [record["id"]]


def test_an_export_that_is_not_sent_leaves_no_copy(api):
    """A range that cannot be is refused, and the file that was written for it goes."""
    add(api, "A thing that stays here.")
    before = set(Path(tempfile.gettempdir()).glob("lmort-*/memory.jsonl"))
    for wanted in ("bytes=x", "bytes=99999999-", "bytes=0-3"):
        status = api.get("/api/export", headers={"Range": wanted}).status_code
        assert status == {"bytes=x": 400, "bytes=0-3": 206}.get(wanted, 416)
    for _ in range(100):  # it goes once the last byte was sent
        if set(Path(tempfile.gettempdir()).glob("lmort-*/memory.jsonl")) <= before:
            return
        time.sleep(0.05)
    pytest.fail("a copy of the memory stayed in the temporary folder")


def test_no_character_of_an_answer_is_obeyed_or_hidden(api):
    """Somebody may read an answer with curl: controls, marks of direction, tags are escaped."""
    hostile = "\x1b\x7f\x9b\u200b\u202e\u206a\ufeff\U000e0041"
    record = add(api, f"bees {hostile}", scope="hostile")
    answer = api.get(f"/api/records/{record['id']}")
    assert not any(character in answer.text for character in hostile)
    assert answer.json()["record"]["text"] == f"bees {hostile}"


def test_a_map_places_the_memories(api):
    """Every record with a vector has a place, and texts that resemble are near each other."""
    texts = [
        "The cat sleeps.",
        "A cat is asleep.",
        "Interest rates rose.",
        "The bank raised rates.",
    ]
    ids = [add(api, text, scope="map")["id"] for text in texts]
    found = api.get("/api/map", params={"scope": "map"}).json()
    places = {point["id"]: (point["x"], point["y"]) for point in found["points"]}
    assert set(places) == set(ids)

    def apart(a, b):
        return sum((x - y) ** 2 for x, y in zip(places[ids[a]], places[ids[b]], strict=True))

    assert apart(0, 1) < apart(0, 2) and apart(2, 3) < apart(1, 3)


@pytest.mark.parametrize("path", ["/api/status", "/v1/models", "/mcp", "/api/records"])
def test_who_may_use_it(server, path):
    """No token, a foreign page or a rebound name get nothing; nor does a null origin."""

    def status(**headers):
        return httpx.get(f"{server.url}{path}", headers=headers).status_code

    assert status() == 401
    assert status(Authorization="Bearer wrong") == 401
    assert status(**server.headers, Host="evil.example") == 421
    assert status(**server.headers, Host="127.0.0.1.evil.example") == 421
    for origin in ("https://evil.example", "null", "http://127.0.0.1:1"):
        assert status(**server.headers, Origin=origin) == 403
    assert status(**server.headers, Origin=server.url) != 403


def test_bodies_are_bounded(server, api):
    """A body that is too large is refused, whether or not it says so beforehand."""
    big = b'{"text": "' + b"x" * (17 << 20) + b'"}'
    assert api.post("/api/records", content=big).status_code == 413

    def parts():
        for _ in range(18):
            yield b"x" * (1 << 20)

    headers = {"Content-Type": "application/json"}
    assert api.post("/api/records", content=parts(), headers=headers).status_code == 413


def test_the_page_may_load_nothing_foreign(server):
    """The page's own policy lets no script, style or request leave this server."""
    policy = httpx.get(server.url).headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert not re.search(r"https?:|\*", policy)


def test_it_is_as_described(server):
    """Schemathesis sends what the description allows and what it forbids, and finds no fault.

    But for what the description leaves to words: `where` has a grammar of conditions, a month has
    only its days, what is added has not expired yet and has one scope, a file has content and a
    name that is a path.
    """
    done = subprocess.run(
        [Path(sys.executable).parent / "schemathesis", "run", f"{server.url}/openapi.json",
         "-H", f"Authorization: Bearer {server.token}", "--max-examples", "10", "--seed", "1",
         "--no-color"],
        capture_output=True, text=True, timeout=900, cwd=server.home,
    )  # fmt: skip
    faults = re.findall(r"^- (ST\d+ .*)$", done.stdout, re.MULTILINE)
    said = re.findall(r'"message":"([^"]*)"', done.stdout)
    in_words = (
        r"filter|\$|day is out of range|expires_at is in the past|found an empty one"
        r"|a file's name is|has one scope"
    )
    expected = [message for message in said if re.search(in_words, message)]
    assert set(faults) <= {"ST202 Schema-valid request rejected"}, done.stdout[-6000:]
    assert said == expected, done.stdout[-6000:]
