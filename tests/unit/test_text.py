"""The door through which text enters, and times that every zone can show."""

import os
import time
from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lmort_memory.store import SQLiteStore
from lmort_memory.store.clock import from_us
from lmort_memory.store.values import Filter
from lmort_memory.text import MAX_DEPTH, counted, valid, valid_json
from lmort_memory.times import day_as_time, day_of
from lmort_memory.types import Source, Turn

ANY = st.text(st.characters(codec=None, categories=None) | st.sampled_from("\ud83d\ude00\udcff\0"))


@given(ANY)
def test_whatever_enters_is_valid(text):
    """Every text can be written as UTF-8, and a valid one stays as it is."""
    cleaned = valid(text)
    assert "\0" not in cleaned
    assert cleaned.encode().decode() == cleaned
    assert valid(cleaned) == cleaned


@pytest.mark.parametrize(
    ("text", "expected", "count"),
    [
        ("half \ud83d", "half \ufffd", 1),
        ("\udc4d!", "\ufffd!", 1),
        ("\ud83d\ude00", "\U0001f600", 0),
        ("\ud83d\ud83d\ude00", "\ufffd\U0001f600", 1),
        ("a\0b\udcff", "a\ufffdb\ufffd", 2),
        ("tab\t \x1b[0m \ufffe", "tab\t \x1b[0m \ufffe", 0),
    ],
)
def test_what_is_no_character_is_replaced_and_counted(text, expected, count):
    """Halves of a pair that belong together are joined, lone ones become U+FFFD."""
    with counted() as replaced:
        assert valid(text) == expected
    assert replaced.characters == count


def test_every_field_of_a_turn_passes_the_door(tmp_path):
    """A turn with a broken string anywhere is stored, and found by the same broken string."""
    bad = "x\ud83d"
    turn = Turn(
        bad, role=bad, scope=bad, session=bad, metadata={bad: [bad, {bad: bad}]}, source=Source(bad)
    )
    with SQLiteStore(tmp_path / "memory.db") as store:
        store.add([turn])
        (record,) = store.records(Filter(scope=bad, session=bad, role=bad, source=bad))
        assert list(store.records(Filter(where={bad: {"$contains": bad}}))) == [record]
    assert record.metadata == {"x\ufffd": ["x\ufffd", {"x\ufffd": "x\ufffd"}]}
    assert {record.text, record.role, record.scope, record.session} == {"x\ufffd"}


@pytest.mark.parametrize(
    "value",
    [float("nan"), float("inf"), {1: "a"}, {"a": {1, 2}}, [b"bytes"], datetime.now(UTC)],
)
def test_what_is_no_json_is_refused(value):
    """What JSON cannot say is an error before anything is stored."""
    with pytest.raises(ValueError, match="JSON"):
        Turn("fine", metadata={"a": value})


def test_metadata_nests_only_so_deep():
    """A hostile value cannot make the database unreadable."""
    value = "leaf"
    for _ in range(MAX_DEPTH):
        value = [value]
    assert valid_json(value) == value
    with pytest.raises(ValueError, match=f"deeper than {MAX_DEPTH}"):
        valid_json([value])


@pytest.mark.parametrize("name", ["text", "role", "scope", "session"])
def test_a_field_of_another_type_is_refused(name):
    """A list as a session is named, and is not an error of SQLite."""
    with pytest.raises(TypeError, match=f"{name} must be a string"):
        Turn(**{"text": "fine", name: ["a"]})


@pytest.mark.parametrize(
    "when",
    [
        datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14))),
        datetime(9999, 12, 31, 23, 59, 59, tzinfo=timezone(timedelta(hours=-12))),
        datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC),
    ],
)
def test_a_time_at_the_end_of_the_calendar_can_be_shown_everywhere(when, tmp_path):
    """It moves inside by a day at most, and every zone can convert it."""
    with SQLiteStore(tmp_path / "memory.db") as store:
        store.add([Turn("edge", created_at=when, expires_at=datetime.max.replace(tzinfo=UTC))])
        (record,) = store.records(Filter())
    assert abs(record.created_at - when) <= timedelta(days=2)
    for hours in (-23, 0, 23):
        record.created_at.astimezone(timezone(timedelta(hours=hours)))


@pytest.mark.parametrize("stored", [-(2**63), -62135647200000000, 253402300799999999, 2**63 - 1])
def test_a_time_that_was_stored_before_is_read(stored):
    """No number in the column of times makes the record unreadable."""
    when = from_us(stored)
    for hours in (-23, 23):
        when.astimezone(timezone(timedelta(hours=hours)))


@pytest.mark.parametrize(
    "zone", ["UTC", "Pacific/Kiritimati", "Pacific/Pago_Pago", "Etc/GMT+12", "Asia/Kolkata"]
)
def test_a_day_without_a_time_is_that_day_in_every_zone(zone, monkeypatch):
    """2024-05-01 is the first of May from UTC-12 to UTC+14."""
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        assert day_of(day_as_time(date(2024, 5, 1))) == date(2024, 5, 1)
        midnight = datetime(2024, 5, 1).astimezone()
        assert day_of(midnight.astimezone(UTC)) == date(2024, 5, 1)
    finally:
        monkeypatch.undo()
        os.environ.pop("TZ", None)
        time.tzset()
