"""Messages between people: WhatsApp, Telegram, Discord, Slack, mail."""

from datetime import UTC, datetime

import pytest

from lmort_memory.importers import scan
from tests.support.imports import read_all, write_json, write_zip


def texts(turns):
    """Return the texts of turns."""
    return [turn.text for turn in turns]


def local(turn):
    """Return the time of a turn on this computer's clock, as its digits."""
    return turn.created_at.astimezone().strftime("%Y-%m-%d %H:%M:%S")


WHATSAPP = [
    ("31/12/2023, 21:05 - {}", "2023-12-31 21:05:00"),
    ("12/31/23, 9:05 PM - {}", "2023-12-31 21:05:00"),
    ("12/31/23, 9:05\u202fPM - {}", "2023-12-31 21:05:00"),
    ("31.12.23, 21:05 - {}", "2023-12-31 21:05:00"),
    ("2023-12-31, 21:05 - {}", "2023-12-31 21:05:00"),
    ("2023/12/31, 9:05 p. m. - {}", "2023-12-31 21:05:00"),
    ("31/12/2023 à 21:05 - {}", "2023-12-31 21:05:00"),
    ("31-12-2023 21:05 - {}", "2023-12-31 21:05:00"),
    ("31.12.2023 klo 21.05 - {}", "2023-12-31 21:05:00"),
    ("2023. 12. 31. 오후 9:05 - {}", "2023-12-31 21:05:00"),
    ("31/12/2566 21:05 - {}", "2023-12-31 21:05:00"),
    ("[31.12.23, 21:05:33] {}", "2023-12-31 21:05:33"),
    ("\u200e[12/31/23, 9:05:33 PM] {}", "2023-12-31 21:05:33"),
    ("[2023/12/31 下午9:05:33] {}", "2023-12-31 21:05:33"),
    ("٣١/١٢/٢٠٢٣، ٩:٠٥ م - {}", "2023-12-31 21:05:00"),  # noqa: RUF001
]


@pytest.mark.parametrize(("form", "expected"), WHATSAPP)
def test_whatsapp_dates_of_phones_and_languages(tmp_path, form, expected):
    """The date of every phone is understood, day and month in the right order."""
    path = tmp_path / "WhatsApp Chat with Ada Moen.txt"
    lines = [form.format(text) for text in ("Ada: The ferry: at nine", "You were added", "Bo: ok")]
    path.write_text("\n".join([lines[0], "second line", *lines[1:]]), encoding="utf-8")
    turns, left_out = read_all(path)
    assert texts(turns) == ["Ada: The ferry: at nine\nsecond line", "Bo: ok"]
    assert {local(turn) for turn in turns} == {expected}
    assert {turn.session for turn in turns} == {"whatsapp:Ada Moen"}
    assert left_out == {"message of WhatsApp's own": 1}


def test_whatsapp_day_and_month_where_no_number_tells(tmp_path):
    """An American phone writes the month first, another the day; a file's order decides before."""
    american = tmp_path / "WhatsApp Chat with A.txt"
    american.write_text("5/6/24, 9:05 PM - A: x\n5/7/24, 9:05 PM - B: y\n")
    assert [local(turn)[:10] for turn in read_all(american)[0]] == ["2024-05-06", "2024-05-07"]
    other = tmp_path / "WhatsApp Chat with B.txt"
    other.write_text("5/6/24, 21:05 - A: x\n6/6/24, 21:05 - B: y\n")
    assert [local(turn)[:10] for turn in read_all(other)[0]] == ["2024-06-05", "2024-06-06"]
    rising = tmp_path / "WhatsApp Chat with C.txt"
    rising.write_text("5/12/24, 21:05 - A: x\n6/11/24, 21:05 - B: y\n")
    assert [local(turn)[:10] for turn in read_all(rising)[0]] == ["2024-05-12", "2024-06-11"]


def test_whatsapp_zip_with_media(tmp_path):
    """The chat in a zip is read; media, deleted and edited messages are what they are."""
    chat = "\r\n".join(
        [
            "[01.02.24, 08:00:00] Bees: \u200eMessages and calls are end-to-end encrypted.",
            "[01.02.24, 08:01:00] ~\u202fAda: hello \u200e<This message was edited>",
            "\u200e[01.02.24, 08:02:00] Ada: \u200e<attached: 0001-PHOTO.jpg>",
            "\u200e[01.02.24, 08:03:00] Bo: \u200eimage omitted",
            "[01.02.24, 08:04:00] Bo: \u200eThis message was deleted.",
            "[01.02.24, 08:05:00] Bo: look \u200e<attached: 0002-PHOTO.jpg>",
        ]
    )
    path = write_zip(
        tmp_path / "WhatsApp Chat - Bees.zip", {"_chat.txt": chat, "0001-PHOTO.jpg": b"\xff\xd8"}
    )
    turns, left_out = read_all(path)
    assert texts(turns) == ["Ada: hello", "Bo: look"]
    assert turns[0].session == "whatsapp:Bees"
    assert left_out == {
        "message of WhatsApp's own": 1,
        "attachment": 2,
        "message that was deleted": 1,
        "file in the zip (.jpg)": 1,
    }


def test_a_diary_is_no_chat(tmp_path):
    """Text with dates, and a chat somebody quotes in it, stays text."""
    diary = tmp_path / "diary.txt"
    diary.write_text(
        "2024-05-01, 09:00 - Ada: said the note\n\nWe walked to the hives.\nThen home.\n"
    )
    note = tmp_path / "note.txt"
    note.write_text("Bees:\n31/12/2023, 21:05 - Ada: hi\n31/12/2023, 21:06 - Bo: hi\n")
    assert {file.format.name for file in scan([tmp_path]).files} == {"text"}


def test_telegram_of_one_chat_and_of_all(tmp_path):
    """Formatted texts are joined, service messages and media counted, chats told apart."""
    message = {"id": 1, "type": "message", "date_unixtime": "1700000000", "from": "Ada"}
    messages = [
        {"id": 0, "type": "service", "action": "create_group", "date_unixtime": "1700000000"},
        {**message, "text": ["See ", {"type": "link", "text": "https://example.org"}, "!"]},
        {**message, "id": 2, "text": "", "photo": "a.jpg"},
        {**message, "id": 3, "text": "Yes", "reply_to_message_id": 1, "forwarded_from": "Bo"},
    ]
    one = {"name": "Bees", "type": "private_group", "id": 42, "messages": messages}
    turns, left_out = read_all(write_json(tmp_path / "result.json", one))
    assert texts(turns) == ["Ada: See https://example.org!", "Ada: Yes"]
    assert turns[0].created_at == datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
    assert turns[1].metadata == {
        "format": "telegram",
        "title": "Bees",
        "author": "Ada",
        "message_id": 3,
        "answers": 1,
        "forwarded_from": "Bo",
    }
    assert left_out == {"service message": 1, "attachment": 1, "message without text": 1}
    other = {"name": None, "type": "saved_messages", "id": 7, "messages": messages[3:]}
    export = {"about": "x", "contacts": {"list": []}, "chats": {"about": "y", "list": [one, other]}}
    (tmp_path / "result.json").unlink()
    turns, _ = read_all(write_json(tmp_path / "result.json", export))
    assert [turn.session for turn in turns] == ["telegram:42", "telegram:42", "telegram:7"]
    assert turns[2].metadata["title"] == "Saved Messages"


def test_discord_as_the_exporter_writes_it(tmp_path):
    """A nickname is the author, custom emoji have their names, bots' cards their words."""
    author = {"id": "1", "name": "ada", "nickname": "Ada", "isBot": False}
    message = {"id": "9", "type": "Default", "timestamp": "2024-05-01T08:00:00+02:00"}
    message["author"] = author
    export = {
        "guild": {"id": "1", "name": "Bees"},
        "channel": {"id": "2", "type": "GuildTextChat", "category": "x", "name": "hives"},
        "messages": [
            {**message, "content": "hi <:bee:123>", "attachments": [{"id": "1"}]},
            {**message, "type": "GuildMemberJoin", "content": "Joined the server."},
            {**message, "content": "", "embeds": [{"title": "Weather", "description": "Rain"}]},
            {**message, "content": "", "stickers": [{"id": "1"}]},
        ],
    }
    turns, left_out = read_all(write_json(tmp_path / "hives.json", export))
    assert texts(turns) == ["Ada: hi :bee:", "Ada: Weather\nRain"]
    assert turns[0].created_at == datetime(2024, 5, 1, 6, tzinfo=UTC)
    assert turns[0].session == "discord:2"
    assert turns[0].metadata["title"] == "Bees > hives"
    assert left_out == {
        "attachment": 1,
        "message of Discord's own (GuildMemberJoin)": 1,
        "sticker": 1,
        "message without text": 1,
    }


USERS = '[{"id": "U1", "team_id": "T1", "name": "ada", "profile": {"display_name": "Ada"}}]'
CHANNELS = '[{"id": "C1", "name": "hives", "created": 1, "members": ["U1"]}]'
DMS = '[{"id": "D1", "created": 1, "members": ["U1", "U9"]}]'
DAY = (
    '[{"type": "message", "user": "U1", "ts": "1700000000.000100",'
    ' "text": "see <https://example.org|the page>, <@U1> &amp; <#C1|hives> <!here>"},'
    ' {"type": "message", "subtype": "channel_join", "user": "U1", "ts": "1700000001.000100",'
    ' "text": "joined"},'
    ' {"type": "message", "subtype": "bot_message", "username": "rain", "ts": "1700000002.000100",'
    ' "text": "", "attachments": [{"fallback": "wet"}], "files": [{"id": "F1"}]}]'
)
SLACK = {
    "users.json": USERS,
    "channels.json": CHANNELS,
    "dms.json": DMS,
    "hives/2023-11-14.json": DAY,
    "D1/2023-11-15.json": '[{"type": "message", "user": "U9", "ts": "1700010000.000100",'
    ' "text": "hi"}]',
}


@pytest.mark.parametrize("zipped", [True, False])
def test_slack_as_zip_and_as_folder(tmp_path, zipped):
    """Both give the same messages, in channels and between two people, with names for ids."""
    if zipped:
        path = write_zip(tmp_path / "export.zip", {**SLACK, "integration_logs.json": "[]"})
    else:
        path = tmp_path
        for name, content in SLACK.items():
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text(content)
    turns, left_out = read_all(path)
    assert sorted(texts(turns)) == sorted(
        ["Ada: see the page, @Ada & #hives @here", "rain: wet", "U9: hi"]
    )
    by_session = {turn.session: turn.metadata["title"] for turn in turns}
    assert by_session == {"slack:T1/hives": "#hives", "slack:T1/D1": "Ada, U9"}
    assert left_out["attachment"] == 1
    assert left_out["message of Slack's own (channel_join)"] == 1
    assert scan([path]).passed_over == ()


MBOX = """\
From 123@xxx Mon Jan 01 09:00:00 +0000 2024
Message-ID: <1@example.org>
From: =?utf-8?q?Ada_=C3=98?= <ada@example.org>
To: bo@example.org
Subject: Hives
Date: Mon, 01 Jan 2024 09:00:00 +0000
X-Gmail-Labels: Inbox,Bees

Four hives.
>From here on, nothing is quoted.

--\x20
Ada, beekeeper

From 124@xxx Mon Jan 01 10:00:00 +0000 2024
Message-ID: <2@example.org>
References: <1@example.org>
From: bo@example.org
Subject: Re: Hives
Date: Mon, 01 Jan 2024 10:00:00 +0000
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=b

--b
Content-Type: text/html; charset=utf-8

<p>Only <b>four</b>?</p><div style="display:none">tracker</div>
--b
Content-Type: image/png
Content-Disposition: attachment; filename=a.png
Content-Transfer-Encoding: base64

iVBORw0=
--b--

From 125@xxx Mon Jan 01 11:00:00 +0000 2024
Message-ID: <3@example.org>
In-Reply-To: <2@example.org>
From: Ada <ada@example.org>
Subject: Re: Hives
Date: Mon, 01 Jan 2024 11:00:00 +0000

Yes, four.

On Mon, 1 Jan 2024 at 10:00,
Bo <bo@example.org> wrote:
> Only four?

From 126@xxx Mon Jan 01 12:00:00 +0000 2024
Message-ID: <4@example.org>
From: cheap@example.com
Subject: Pills
X-Gmail-Labels: Spam

Buy.
"""


def test_mbox_letters_without_what_they_quote(tmp_path):
    """Letters are told apart, threads are sessions, and only the author's own words are kept."""
    path = tmp_path / "Inbox"  # as Thunderbird names it
    path.write_text(MBOX)
    turns, left_out = read_all(path)
    assert texts(turns) == [
        "Ada Ø: Hives\n\nFour hives.\nFrom here on, nothing is quoted.",
        "bo@example.org: Re: Hives\n\nOnly four?",
        "Ada: Re: Hives\n\nYes, four.",
    ]
    assert [turn.session for turn in turns] == ["mail:1@example.org"] * 2 + ["mail:2@example.org"]
    assert turns[0].source.uri == "mail:1@example.org"
    assert turns[0].metadata == {
        "format": "mail",
        "title": "Hives",
        "author": "Ada Ø",
        "to": "bo@example.org",
        "labels": "Inbox,Bees",
    }
    assert left_out == {"attachment": 1, "quoted passage": 1, "letter in spam or trash": 1}


def test_eml_and_what_is_no_mail(tmp_path):
    """A letter by itself is read whatever its charset; other files are not taken for mail."""
    letter = tmp_path / "a.eml"
    letter.write_bytes(
        b"From: Ada <ada@example.org>\r\nSubject: Bees\r\nDate: not a date\r\n"
        b"Content-Type: text/plain; charset=no-such\r\n\r\nH\xc3\xb8st\r\n"
    )
    assert texts(read_all(letter)[0]) == ["Ada: Bees\n\nHøst"]
    (tmp_path / "Makefile").write_text("From here: nothing\n\nall:\n")
    (tmp_path / "b.eml").write_text("Dear Bo,\n\nFrom: me\n")
    reasons = {item.path.rpartition("/")[2]: item.kind for item in scan([tmp_path]).passed_over}
    assert reasons == {"Makefile": "unknown", "b.eml": "unknown"}


@pytest.mark.parametrize(
    "above",
    [
        "From ada@example.org Wed May  1 09:30:00 2024\n",
        "From ada@example.org\n",
        ">From - Wed May  1 09:30:00 2024\n",
    ],
)
def test_eml_below_the_line_of_a_mailbox(tmp_path, above):
    """A letter that a mail server or a reader for terminals has stored is the letter below."""
    letter = "Message-ID: <7@example.org>\nFrom: Ada <ada@example.org>\nSubject: Bees\n\nFour.\n"
    for name, text in (("unix.eml", above + letter), ("dos.eml", above + letter)):
        newline = "\r\n" if name == "dos.eml" else "\n"
        (tmp_path / name).write_text(text, newline=newline)
        (turn,), left_out = read_all(tmp_path / name)
        assert turn.text == "Ada: Bees\n\nFour." and turn.source.uri == "mail:7@example.org"
        assert left_out == {}


def test_eml_of_several_letters_is_a_mailbox(tmp_path):
    """Programs give a mailbox the suffix of a letter; each letter in it is one."""
    letter = (
        "From bo@x.org Wed May  1 09:30:0{0} 2024\nFrom: Bo <bo@x.org>\nTo: a@x.org\n\n{0}.\n\n"
    )
    (tmp_path / "two.eml").write_text(letter.format(1) + letter.format(2))
    turns, _ = read_all(tmp_path / "two.eml")
    assert texts(turns) == ["Bo\n\n1.", "Bo\n\n2."]
    assert [turn.created_at.second for turn in turns] == [1, 2]


def test_boundary_that_lacks_its_quotation_marks(tmp_path):
    """Of "----=_Next" unquoted, the parser would take "----", and find no parts."""
    (tmp_path / "a.eml").write_text(
        "From: Ada <ada@example.org>\nSubject: Bees\nContent-Type: multipart/alternative;\n"
        "\tboundary=----=_Next_1\n\nThis is MIME.\n\n------=_Next_1\nContent-Type: text/plain\n\n"
        "Four hives.\n\n------=_Next_1\nContent-Type: text/html\n\n<p>Four hives.</p>\n\n"
        "------=_Next_1--\n"
    )
    assert texts(read_all(tmp_path / "a.eml")[0]) == ["Ada: Bees\n\nFour hives."]


def test_whatsapp_dates_of_iran_and_of_no_calendar(tmp_path):
    """Solar Hijri dates are read; a day or an hour that is none is its neighbour's."""
    chat = tmp_path / "WhatsApp Chat with Bees.txt"
    persian = "۱۴۰۳/۲/۱۴، ۹:۱۵"  # noqa: RUF001
    days = (persian, "1399/12/30, 21:05", "1404/1/1, 21:05", "1404/12/30, 21:05")
    chat.write_text("".join(f"{day} - Ada: hello\n" for day in days), encoding="utf-8")
    turns, _ = read_all(chat)
    dates = [f"{turn.created_at.astimezone():%Y-%m-%d %H:%M}" for turn in turns]
    new_year = "2025-03-21 21:05"
    assert dates == ["2024-05-03 09:15", "2021-03-20 21:05", new_year, new_year]
    lines = ("31/02/2024, 09:15", "03/05/2024, 10:00", "03/05/2024, 25:99")
    chat.write_text("".join(f"{line} - Ada: hello\n" for line in lines), encoding="utf-8")
    assert len({turn.created_at for turn in read_all(chat)[0]} - {None}) == 1


def read_discord(folder, **fields):
    """Return what an export of one message of Bo's gives."""
    message = {"id": "9", "type": "Default", "content": "", "author": {"name": "Bo"}, **fields}
    channel = {"id": "2", "name": "hives"}
    return read_all(
        write_json(folder / "hives.json", {"guild": {}, "channel": channel, "messages": [message]})
    )


def test_discord_keeps_what_was_forwarded(tmp_path):
    """Its words are those of a message that has none, and it answers nothing."""
    turns, left_out = read_discord(
        tmp_path,
        reference={"type": "Forward", "messageId": "7"},
        forwardedMessage={"content": "Rain <:wet:12>", "attachments": [{"id": "1"}]},
    )
    assert texts(turns) == ["Bo: Rain :wet:"] and left_out == {"attachment": 1}
    assert turns[0].metadata["forwarded"] is True and "answers" not in turns[0].metadata


def test_discord_cards_are_read_whole(tmp_path):
    """Author, title, description, fields and footer are what a bot says."""
    card = {
        "author": {"name": "Weather"},
        "title": "Tomorrow",
        "description": " Rain ",
        "fields": [{"name": "Wind", "value": "west"}, {"name": "", "value": "cold"}, 3],
        "footer": {"text": "by radio"},
    }
    turns, _ = read_discord(tmp_path, embeds=[card, {"author": None, "url": "x"}])
    assert texts(turns) == ["Bo: Weather\nTomorrow\nRain\nWind: west\ncold\nby radio"]


SHARED = {"is_share": True, "author_name": "Ada", "text": "Bring <https://x.org|hay>"}


@pytest.mark.parametrize(
    ("fields", "kept"),
    [
        (
            {
                "attachments": [
                    {
                        "fallback": "again",
                        "pretext": "New",
                        "title": "Hive 3",
                        "text": "is weak",
                        "fields": [{"title": "State", "value": "open"}, {"value": "x"}],
                    }
                ]
            },
            "New\nHive 3\nis weak\nState: open\nx",
        ),
        ({"text": "read", "attachments": [SHARED]}, "read\nAda: Bring hay"),
        (
            {"text": "see", "attachments": [{"is_msg_unfurl": True, "text": "old"}]},
            "see\nold",
        ),
        ({"text": "see", "attachments": [{"from_url": "x", "text": "preview"}]}, "see"),
        (
            {
                "attachments": [
                    {
                        "fallback": "[no preview available]",
                        "blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": "b"}}],
                    }
                ]
            },
            "b",
        ),
    ],
)
def test_slack_attachments(tmp_path, fields, kept):
    """A program's words stand in them, and what a person shares; previews of links go."""
    message = {"type": "message", "ts": "1700000000.000100", "user": "U1", **fields}
    (tmp_path / "hives").mkdir()
    turns, _ = read_all(write_json(tmp_path / "hives" / "2023-11-14.json", [message]))
    assert texts(turns) == [f"U1: {kept}"]


def test_telegram_is_known_though_its_first_chats_are_empty(tmp_path):
    """Many chats without a message may stand before the first that has one."""
    empty = [{"type": "personal_chat", "id": n, "name": str(n), "messages": []} for n in range(90)]
    message = {"id": 1, "type": "message", "date_unixtime": "1700000000", "from": "Ada"}
    last = {"type": "personal_chat", "id": 99, "messages": [{**message, "text": "hi"}]}
    export = {"about": "x", "chats": {"about": "y", "list": [*empty, last]}}
    turns, _ = read_all(write_json(tmp_path / "result.json", export))
    assert texts(turns) == ["Ada: hi"] and turns[0].session == "telegram:99"
    write_json(tmp_path / "result.json", {"chats": {"list": [{"id": 1, "type": "x"}]}})
    assert scan([tmp_path]).files == ()


def test_telegram_polls_keep_question_and_options(tmp_path):
    """A poll is what a person asked, with or without words beside it."""
    message = {"id": 1, "type": "message", "date_unixtime": "1700000000", "from": "Ada"}
    poll = {"question": "Where?", "answers": [{"text": "Here", "voters": 2}, {"text": "There"}]}
    messages = [{**message, "text": "", "poll": poll}, {**message, "text": "Vote", "poll": poll}]
    chat = {"name": "Bees", "type": "private_group", "id": 42, "messages": messages}
    turns, left_out = read_all(write_json(tmp_path / "result.json", chat))
    asked = "Where?\n- Here\n- There"
    assert texts(turns) == [f"Ada: {asked}", f"Ada: Vote\n{asked}"] and left_out == {}


@pytest.mark.parametrize(
    "line",
    [
        "\u200eVerpasster Sprachanruf",
        "Vertrag.pdf • \u200e2 pages \u200e<attached: 0001-Vertrag.pdf>",
        "\u200e<添付ファイル: 0001-PHOTO.jpg>",
        "Bu mesaj silindi",
        "Bu mesajı sildiniz",  # noqa: RUF001
        "Данное сообщение удалено",
        "Вы удалили данное сообщение.",
        "Detta meddelande raderades",
        "Det här meddelandet har raderats",
        "Du raderade det här meddelandet",
        "Ta wiadomość została usunięta",
        "Usunięto tę wiadomość",
        "Pesan ini dihapus",
        "Anda menghapus pesan ini",
    ],
)
def test_whatsapp_notices_in_the_middle_and_at_the_end(tmp_path, line):
    """What nobody wrote is left out wherever it stands; the last message has its line's end."""
    chat = tmp_path / "_chat.txt"
    lines = ("Ada: x", f"Bo: {line}", "Ada: y <Diese Nachricht wurde bearbeitet.>", f"Bo: {line}")
    chat.write_text("".join(f"[31.12.23, 21:05:03] {one}\n" for one in lines), encoding="utf-8")
    turns, left_out = read_all(chat)
    assert texts(turns) == ["Ada: x", "Ada: y"] and list(left_out.values()) == [2]
