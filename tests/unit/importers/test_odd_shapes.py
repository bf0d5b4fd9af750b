"""Files in the shapes of other phones, mailers and systems, each the smallest of its kind."""

import codecs
import json
from datetime import UTC, datetime
from email.message import EmailMessage

import pytest

from lmort_memory.importers import scan
from lmort_memory.importers.formats.csv_table import Columns, csv_format
from lmort_memory.text import valid
from tests.support.imports import read_all, write_json, write_zip


def texts(turns):
    """Return the texts of turns."""
    return [turn.text for turn in turns]


def spoken(name, said):
    """Return a line of a Claude Code log."""
    return {"type": "user", "uuid": name, "sessionId": "s", "message": {"content": said}}


_MARKS = {
    "utf-16-le": codecs.BOM_UTF16_LE,
    "utf-16-be": codecs.BOM_UTF16_BE,
    "utf-32-le": codecs.BOM_UTF32_LE,
    "utf-32-be": codecs.BOM_UTF32_BE,
}


@pytest.mark.parametrize("encoding", _MARKS)
@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("t.jsonl", '{"text": "Grüße"}\n{"text": "zwei"}\n', ["Grüße", "zwei"]),
        ("m.json", '[{"id": "1", "memory": "Grüße", "user_id": "u"}]', ["Grüße"]),
        ("_chat.txt", "[25/11/23, 21:05:33] Ada: Grüße\n", ["Ada: Grüße"]),
        ("n.md", "Grüße", ["n\n\nGrüße"]),
        ("n.html", "<!doctype html><title>n</title><p>Grüße", ["n\n\nGrüße"]),
    ],
)
def test_a_byte_order_mark_is_believed_everywhere(tmp_path, encoding, name, content, expected):
    """PowerShell and Notepad write UTF-16, and nothing of it is lost."""
    (tmp_path / name).write_bytes(_MARKS[encoding] + content.encode(encoding))
    assert texts(read_all(tmp_path / name)[0]) == expected


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_xml_may_be_utf_16(tmp_path, encoding):
    """The parser of XML reads it by itself; UTF-32 it does not know."""
    outline = '<opml><body><outline text="Grüße"/></body></opml>'
    (tmp_path / "n.opml").write_bytes(_MARKS[encoding] + outline.encode(encoding))
    assert texts(read_all(tmp_path / "n.opml")[0]) == ["n\n\n- Grüße"]


def test_whatsapp_says_what_people_said(tmp_path):
    """Its own lines and stand-ins for files are left out; polls and captions stay."""
    chat = tmp_path / "WhatsApp Chat with Bees.txt"
    lines = (
        "\u200eBees: \u200eMessages and calls are end-to-end encrypted.",
        "Ada: \u200eMissed voice call, \u200eTap to call back",
        "Ada: \u200ePOLL:\nWhere?\n\u200eOPTION: Here (\u200e2 votes)",
        "Ada: Report.pdf • \u200e3 pages \u200edocument omitted",
        "Ada: look \u200e<This message was edited>",
        "Ada: <अज्ञात मीडिया>",
        "Ada: <Mídia oculta>",
        "Ada: IMG-20231125-WA0001.jpg (Datei angehängt)\nOur garden",
        'Ada changed the subject from "A: b" to "C"',
        "Ada hat den Betreff zu „Bees: neu“ geändert",
        'Bo "The Rock" Ek: this <is> fine',
    )
    chat.write_text("".join(f"25/11/23, 21:05 - {line}\n" for line in lines), encoding="utf-8")
    turns, left_out = read_all(chat)
    assert texts(turns) == [
        "Ada: POLL:\nWhere?\nOPTION: Here (2 votes)",
        "Ada: look",
        "Ada: Our garden",
        'Bo "The Rock" Ek: this <is> fine',
    ]
    assert left_out == {"message of WhatsApp's own": 4, "attachment": 3}


@pytest.mark.parametrize(
    "form",
    [
        "2023年12月31日 下午9:05 - {}",
        "31.12.23 г., 21:05 ч. - {}",  # noqa: RUF001
        "\u200f31\u200f/12\u200f/2023، 9:05 م - {}",
        "31/12/2023, 9:05 CH - {}",
        "31/12/23, 9:05 ÖS - {}",
        "23-31-12, 21:05 - {}",
        "2023-12-31 21 h 05 - {}",
    ],
)
def test_whatsapp_dates_of_further_languages(tmp_path, form):
    """Marks inside a date, other words for the afternoon, other signs and orders are understood."""
    path = tmp_path / "WhatsApp Chat with Ada.txt"
    path.write_text(form.format("Ada: x") + "\n" + form.format("Bo: y") + "\n", encoding="utf-8")
    turns, _ = read_all(path)
    assert texts(turns) == ["Ada: x", "Bo: y"]
    assert {f"{turn.created_at.astimezone():%Y-%m-%d %H:%M}" for turn in turns} == {
        "2023-12-31 21:05"
    }


def letter(content, **headers):
    """Return a letter as bytes."""
    lines = {"From": "Ada <a@x.org>", "To": "b@x.org", "Message-ID": "<1@x>", **headers}
    head = "".join(f"{name.replace('_', '-')}: {value}\n" for name, value in lines.items())
    return head.encode() + b"\n" + (content if isinstance(content, bytes) else content.encode())


ALTERNATIVES = """--b
Content-Type: text/plain; charset=utf-8

--b
Content-Type: text/html; charset=utf-8

<p>Only here</p>
--b--
"""
MIXED = """--b
Content-Type: text/plain

Before
--b
Content-Type: image/png; name=a.png
Content-Disposition: inline; filename=a.png
Content-Transfer-Encoding: base64

AAAA
--b
Content-Type: text/plain

After
--b--
"""
OUTLOOK = "Yes.\n\n________________\nFrom: Bob\nSent: Monday\nTo: Ada\nSubject: Ferry\n\nWhen?\n"
PASSED_ON = "FYI\n\n--- Forwarded message ---\nFrom: Bob\nDate: Monday\nTo: Ada\n\nAt nine.\n"
SIGNED = (
    "-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\nSigned\n-----BEGIN PGP SIGNATURE-----\nx\n"
)


@pytest.mark.parametrize(
    ("content", "kind", "expected"),
    [
        (OUTLOOK, "text/plain", "Yes."),
        ("Ja.\n\nVon: Bob\nGesendet: heute\nAn: Ada\n\nWann?\n", "text/plain", "Ja."),
        (
            "はい\n\n2024年1月1日 9:00 Bob <b@x.org>:\n> いつ?\n",
            "text/plain; charset=utf-8",
            "はい",
        ),
        (PASSED_ON, "text/plain", PASSED_ON.strip()),
        ("Grüße".encode("latin-1"), "text/plain", "Grüße"),
        ("Grüße".encode("cp1252"), "text/plain; charset=x-unknown", "Grüße"),
        ("„ja“".encode("cp1252"), "text/plain; charset=iso-8859-1", "„ja“"),
        (ALTERNATIVES, "multipart/alternative; boundary=b", "Only here"),
        (MIXED, "multipart/mixed; boundary=b", "Before\n\nAfter"),
        ("No part\n", "multipart/mixed; boundary=b", "No part"),
        ("A line \ngoes on\n\n-- \nAda\n", "text/plain; format=flowed", "A line goes on"),
        (SIGNED, "text/plain", "Signed"),
        ("One\n--\n" + "x\n" * 20, "text/plain", ("One\n--\n" + "x\n" * 20).strip()),
    ],
)
def test_letters_as_mailers_write_them(tmp_path, content, kind, expected):
    """What the author wrote is found in every charset and composition, without what is quoted."""
    path = tmp_path / "a.eml"
    path.write_bytes(letter(content, Content_Type=kind))
    assert texts(read_all(path)[0]) == [f"Ada\n\n{expected}"]


PASSED_BY_OUTLOOK = (
    "See this.\n\n-----Original Message-----\nFrom: Cleo\nSent: Monday\nTo: Ada\n\nIt weighs 30 kg."
)
PASSED_BY_APPLE = "See this.\n\nBegin forwarded message:\n\n> From: Cleo\n> To: Ada\n>\n> 30 kg."


@pytest.mark.parametrize(
    ("subject", "content", "expected"),
    [
        ("FW: Hive", PASSED_BY_OUTLOOK, PASSED_BY_OUTLOOK),
        ("WG: Hive", PASSED_BY_OUTLOOK, PASSED_BY_OUTLOOK),
        ("Re: FW: Hive", PASSED_BY_OUTLOOK, "See this."),
        ("Hive", PASSED_BY_OUTLOOK, "See this."),
        ("Fwd: Hive", PASSED_BY_APPLE, PASSED_BY_APPLE.replace("> ", "").replace(">", "")),
        ("Hive", PASSED_BY_APPLE, PASSED_BY_APPLE.replace("> ", "").replace(">", "")),
        (
            "Plan",
            "My plan:\n\nFrom: Berlin\nTo: Prague\nDate: 6 May\n\nSee you!",
            "My plan:\n\nFrom: Berlin\nTo: Prague\nDate: 6 May\n\nSee you!",
        ),
        (
            "Plan",
            "Mein Plan:\n\nVon: Berlin\nNach: Prag\nDatum: 06.05.2024\nPreis: 12.50\n\nBis bald!",
            "Mein Plan:\n\nVon: Berlin\nNach: Prag\nDatum: 06.05.2024\nPreis: 12.50\n\nBis bald!",
        ),
        ("Re: x", "Ja.\n\nVon: Bo\nDatum: heute, 8:00\nAn: Ada\n\nWann?", "Ja."),
        ("Re: x", "Ja.\n\nFra: Bo <b@x.org>\nDato: 6. maj\nTil: Ada\n\nWann?", "Ja."),
        ("AW: x", "Ja.\n\nFra: Bo\nSendt: 6. maj 2024 08.00\nTil: Ada\n\nWann?", "Ja."),
    ],
)
def test_what_is_passed_on_stays(tmp_path, subject, content, expected):
    """What a sender forwards is what he wants to say; an answer quotes what is stored anyway."""
    path = tmp_path / "a.eml"
    path.write_bytes(letter(content, Subject=subject))
    assert texts(read_all(path)[0]) == [f"Ada: {subject}\n\n{expected}"]


def test_a_date_that_a_program_wrote_is_read(tmp_path):
    """ISO 8601 is not what the standard asks for, and clear."""
    path = tmp_path / "a.eml"
    path.write_bytes(letter("x", Date="2024-05-06T08:00:00+02:00"))
    (turn,) = read_all(path)[0]
    assert turn.created_at == datetime(2024, 5, 6, 6, tzinfo=UTC)


NOTICE = "Please view this email in an HTML-capable client."
IMPRINT = "Your mailer shows no pictures. See https://x.org/a/b/c?d=e for this letter."
REPLY = "Yes, at nine. See https://x.org/a/b/c?d=e\nAda"
LONG = "<p>" + "The hive weighs 30 kg, and the bees are well. " * 6 + "</p>"
SHOWN = "View this email in your browser.\n\n" + LONG[3:-5]


@pytest.mark.parametrize(
    ("plain", "richer", "expected"),
    [
        (NOTICE, "<p>The real text</p>", "The real text"),
        (IMPRINT, "<p>View this email in your browser.</p>" + LONG, SHOWN),
        (REPLY, "<p>Yes, <b>at nine.</b> <a href='https://x.org'>See</a><br>Ada</p>" + LONG, REPLY),
        ("Is the HTML broken?", "<p>Is the <i>HTML</i> broken?</p>", "Is the HTML broken?"),
        ("Another letter, as long", "<p>and its other form</p>", "Another letter, as long"),
        ("Ja.", "<p>Ja.</p>" + LONG, "Ja."),
        ("+1", "<img src='a.png'>", "+1"),
        (NOTICE, "", NOTICE),
        ("One letter. " * 60, LONG * 60, ("One letter. " * 60).strip()),
    ],
)
def test_a_plain_form_that_only_points_to_the_other_is_not_the_letter(
    tmp_path, plain, richer, expected
):
    """Of two forms the plain one is read, unless it says little that the other says too."""
    path = tmp_path / "a.eml"
    parts = ALTERNATIVES.replace("utf-8\n\n--b", f"utf-8\n\n{plain}\n--b")
    content = parts.replace("<p>Only here</p>", richer)
    path.write_bytes(letter(content, Content_Type="multipart/alternative; boundary=b"))
    assert texts(read_all(path)[0]) == [f"Ada\n\n{expected}"]


def test_a_passage_that_is_quoted_is_counted_once(tmp_path):
    """Outlook writes both a line of dashes and a head above the letter that it quotes."""
    path = tmp_path / "a.eml"
    path.write_bytes(letter(PASSED_BY_OUTLOOK, Subject="Re: Hive"))
    assert read_all(path)[1]["quoted passage"] == 1


@pytest.mark.parametrize(
    ("line", "headers", "expected"),
    [
        ("From - Mon Jan  1 09:00:00 2024", "", datetime(2024, 1, 1, 9, tzinfo=UTC)),
        ("From 1@xxx Mon Jan 01 09:00:00 +0200 2024", "", datetime(2024, 1, 1, 7, tzinfo=UTC)),
        ("From 1@xxx Mon Foo 99 09:00:00 2024", "", None),
        (
            "From - Mon Jan  1 09:00:00 2024",
            "Date: 2023-05-06T08:00:00Z\n",
            datetime(2023, 5, 6, 8, tzinfo=UTC),
        ),
    ],
)
def test_a_letter_without_a_date_has_that_of_its_place_in_the_mbox(
    tmp_path, line, headers, expected
):
    """The line above a letter says when it was stored, which is near to when it was sent."""
    path = tmp_path / "Inbox.mbox"
    path.write_text(f"{line}\nFrom: A <a@x.org>\nSubject: x\n{headers}\nkept\n")
    assert [turn.created_at for turn in read_all(path)[0]] == [expected]


def test_letters_without_an_id_or_a_zone_and_deleted_ones(tmp_path):
    """A letter is known by its content, -0000 is UTC, and deleted letters are gone."""
    box = tmp_path / "Inbox.mbox"
    first = b"From: A <a@x.org>\nSubject: x\nDate: Mon, 1 Jan 2024 09:00:00 -0000\n\nkept\n\n"
    gone = b"X-Mozilla-Status: 0009\nFrom: A <a@x.org>\nSubject: y\n\ngone\n\n"
    line = b"From - Mon Jan  1 09:00:00 2024\n"
    box.write_bytes(codecs.BOM_UTF8 + line + first + line + gone)
    turns, left_out = read_all(box)
    assert texts(turns) == ["A: x\n\nkept"] and left_out["letter that was deleted"] == 1
    assert turns[0].created_at.isoformat().endswith("09:00:00+00:00")
    box.write_bytes(line + gone + line + first)
    assert read_all(box)[0][0].source == turns[0].source


def test_tables_of_spreadsheets(tmp_path):
    """Excel's UTF-16 and its line that names the delimiter are understood."""
    table = tmp_path / "t.csv"
    forms = (csv_format(Columns.parse(["text=Body", "created_at=Date"])),)
    table.write_text("\n\nsep=;\nBody;Date\na,b;May 2, 2024\n")
    turns, _ = read_all(table, formats=forms)
    assert texts(turns) == ["a,b"] and turns[0].created_at.year == 2024
    table.write_bytes("Body\tDate\nGrüße\t2024-05-02\n".encode("utf-16"))
    assert texts(read_all(table, formats=forms)[0]) == ["Grüße"]
    table.write_bytes("Body;Date\nGrüße;x\n".encode("cp1252"))
    assert "not UTF-8" in scan([tmp_path], formats=forms).passed_over[0].reason


def test_a_telegram_chat_without_a_name_has_none(tmp_path):
    """A chat's name is not that of the chat before it."""
    message = {"id": 1, "type": "message", "date_unixtime": "1704067200", "text": "x"}
    chats = [
        {"name": "Bo", "type": "personal_chat", "id": 1, "messages": [message]},
        {"type": "saved_messages", "id": 2, "messages": [message]},
        {"name": "Empty", "type": "personal_chat", "id": 3, "messages": []},
        {"type": "private_group", "id": 4, "messages": [message]},
    ]
    write_json(tmp_path / "result.json", {"chats": {"list": chats}})
    turns, _ = read_all(tmp_path / "result.json")
    titles = [turn.metadata.get("title") for turn in turns]
    assert titles == ["Bo", "Saved Messages", None]


def test_claude_code_keeps_what_was_typed(tmp_path):
    """Reminders that the program adds are cut out; the words behind a command are the user's."""
    command = "<command-name>/review</command-name>\n<command-args>the ferry</command-args>"
    log = tmp_path / "s.jsonl"
    said = (
        command,
        "<command-name>/clear</command-name><command-args></command-args>",
        "fix\n<system-reminder>\nhush\n</system-reminder>\nplease",
        "what does <command-name> mean?",
    )
    log.write_text("".join(json.dumps(spoken(str(n), one)) + "\n" for n, one in enumerate(said)))
    assert texts(read_all(log)[0]) == ["/review the ferry", "fix\nplease", said[3]]


def test_a_format_is_known_though_its_first_entry_is_damaged(tmp_path):
    """The first conversation of an export may be broken; the others are read."""
    good = {"id": "c", "current_node": "n", "mapping": {}}
    good["mapping"]["n"] = {
        "message": {"author": {"role": "user"}, "content": {"content_type": "text", "parts": ["x"]}}
    }
    write_json(tmp_path / "conversations.json", [None, {}, good])
    assert texts(read_all(tmp_path / "conversations.json")[0]) == ["x"]


def test_evernotes_code_and_checklists(tmp_path):
    """Code keeps its lines and indents, and a checklist its boxes."""
    note = (
        '<div style="-en-codeblock:true"><div>def f(x):</div><div>\u00a0\u00a0return x</div></div>'
        '<ul style="--en-todo:true"><li style="--en-checked:false"><div>open</div></li>'
        '<li style="--en-checked:true"><div>done</div></li></ul>'
    )
    (tmp_path / "n.enex").write_text(
        f"<en-export><note><title>T</title><content><![CDATA[<en-note>{note}</en-note>]]></content>"
        "</note></en-export>",
        encoding="utf-8",
    )
    assert texts(read_all(tmp_path / "n.enex")[0]) == [
        "T\n\ndef f(x):\n  return x\n\n- [ ] open\n- [x] done"
    ]


def test_claudes_artifacts_are_notes_in_their_last_version(tmp_path):
    """What Claude wrote for the user beside the conversation is kept, programs are not."""

    def call(**fields):
        return {"type": "tool_use", "name": "artifacts", "input": fields}

    content = [
        call(command="create", id="p", type="text/markdown", title="Poem", content="Bees sleep."),
        call(command="update", id="p", old_str="sleep", new_str="wake"),
        call(command="create", id="s", type="image/svg+xml", title="Hive", content="<svg/>"),
        {"type": "text", "text": "Done."},
    ]
    message = {"uuid": "a", "sender": "assistant", "content": content}
    conversation = {"uuid": "u", "name": "N", "chat_messages": [message]}
    write_json(tmp_path / "conversations.json", [conversation])
    turns, left_out = read_all(tmp_path / "conversations.json")
    assert texts(turns) == ["Done.", "Bees wake."]
    assert turns[1].metadata["title"] == "Poem" and turns[1].session == "claude:u"
    assert left_out == {"program or drawing of an artifact": 1}


def test_a_wrong_byte_of_slack_costs_a_character(tmp_path):
    """Not the day that it stands in."""
    day = b'[{"type": "message", "ts": "1704067200.000100", "user": "U1", "text": "to \xff sea"}]'
    write_zip(tmp_path / "x.zip", {"users.json": '[{"id": "U1"}]', "bees/2024-01-01.json": day})
    assert [valid(text) for text in texts(read_all(tmp_path / "x.zip")[0])] == ["U1: to \ufffd sea"]


def test_slack_messages_of_blocks_alone(tmp_path):
    """A message whose words stand in blocks only is read from them."""
    section = {
        "type": "rich_text_section",
        "elements": [
            {"type": "text", "text": "ask "},
            {"type": "user", "user_id": "U1"},
            {"type": "link", "url": "https://x.org", "text": " here"},
        ],
    }
    blocks = [{"type": "rich_text", "elements": [section]}]
    message = {"type": "message", "ts": "1704067200.000100", "user": "U1", "blocks": blocks}
    users = [{"id": "U1", "profile": {"display_name": "Ada"}}]
    members = {"users.json": users, "bees/2024-01-01.json": [message]}
    write_zip(tmp_path / "x.zip", {name: json.dumps(one) for name, one in members.items()})
    assert texts(read_all(tmp_path / "x.zip")[0]) == ["Ada: ask @Ada here"]


@pytest.mark.parametrize(
    ("front", "day"),
    [
        ("date: 20240501\n", "2024-05-01"),
        ('created: "[[Daily/2024-05-01|May]]"\n', "2024-05-01"),
        ("created:\t2024-05-01\ntags:\n\t- x\n", "2024-05-01"),
    ],
)
def test_dates_of_notes_in_further_forms(tmp_path, front, day):
    """A number, a link to a day and YAML with tabs tell a note's date."""
    (tmp_path / "n.md").write_text(f"---\n{front}---\nText\n")
    turns, _ = read_all(tmp_path / "n.md")
    assert texts(turns) == ["n\n\nText"] and f"{turns[0].created_at:%Y-%m-%d}" == day


def test_a_text_between_rules_is_no_front_matter(tmp_path):
    """A note that begins with a rule keeps its words."""
    (tmp_path / "n.md").write_text("---\n\nWords between rules\n\n---\nmore\n")
    assert "Words between rules" in texts(read_all(tmp_path / "n.md")[0])[0]


def test_pictures_and_views_that_are_text_are_not_named(tmp_path):
    """What is written in text and says nothing is counted with the other pictures."""
    for name in ("a.svg", "b.base", "c.xyz"):
        (tmp_path / name).write_text("<svg/>")
    kinds = {one.reason: one.kind for one in scan([tmp_path]).passed_over}
    assert kinds["picture (.svg)"] == kinds["table view (.base)"] == "aside"
    assert "unknown" in kinds.values()


def test_a_short_export_with_its_ledger_is_known(tmp_path):
    """The lines about replies make an export of few records no unknown file."""
    record = dict.fromkeys(
        ("id", "role", "scope", "session", "created_at", "updated_at", "source", "origin")
    )
    lines = (
        {**record, "text": "x", "expires_at": None, "metadata": {}},
        {"ledger": "r", "session": None, "created_at": None, "record_ids": [], "payload": {}},
    )
    path = tmp_path / "export.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert [file.format.name for file in scan([path]).files] == ["export"]
    assert texts(read_all(path)[0]) == ["x"]


def test_a_zip_is_opened_once_to_see_what_it_is(tmp_path, monkeypatch):
    """However many formats may be zips, one look at the names is enough."""
    import zipfile

    opened = []
    real = zipfile.ZipFile.__init__

    def counted(self, file, *args, **kwargs):
        opened.append(file)
        real(self, file, *args, **kwargs)

    write_zip(tmp_path / "x.zip", {"holiday/a.jpg": "x"})
    monkeypatch.setattr(zipfile.ZipFile, "__init__", counted)
    scan([tmp_path])
    assert len(opened) == 1


def test_a_long_letter_has_its_headers_parsed_once(tmp_path, monkeypatch):
    """However many turns a letter becomes, its headers, of any length, are looked at once."""
    parsed = []
    real = EmailMessage.get

    def counted(self, name, failobj=None):
        parsed.append(name)
        return real(self, name, failobj)

    monkeypatch.setattr(EmailMessage, "get", counted)
    for sentences in (1, 1000):
        (tmp_path / "a.eml").write_bytes(letter("Bees sleep. " * sentences, References="<0@x>"))
        turns, _ = read_all(tmp_path / "a.eml")
        assert parsed.count("References") == 1 and {turn.session for turn in turns} == {"mail:0@x"}
        parsed.clear()
    assert len(turns) > 10
