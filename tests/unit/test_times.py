"""Times as people say them, seen from Thursday 26 November 2026."""

from datetime import UTC, datetime, timedelta

import pytest

from lmort_memory.memory.times import ago, dated, spoken

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("What did I say yesterday?", "2026-11-25", "2026-11-26"),
        ("What broke the week before last?", "2026-11-09", "2026-11-16"),
        ("What did the inspectors say last week?", "2026-11-16", "2026-11-23"),
        ("How did I get to work in March?", "2026-03-01", "2026-04-01"),
        ("What was stolen in the summer?", "2026-06-01", "2026-09-01"),
        ("What happened a week last Monday?", "2026-11-16", "2026-11-17"),
        ("What did I do on 2024-05-01?", "2024-05-01", "2024-05-02"),
        ("Where did we live in 2025?", "2025-01-01", "2026-01-01"),
        ("What changed since June?", "2026-06-01", "2026-11-26"),
        ("What has been built since 2023?", "2023-01-01", "2026-11-26"),
        ("Where did we live until 2020?", "0002-01-01", "2020-01-01"),
        ("What did we own before 2020?", "0002-01-01", "2020-01-01"),
        ("three days ago", "2026-11-23", "2026-11-24"),
        ("What was I reading two years, three months ago?", "2024-08-12", "2024-09-12"),
        ("Whom did I meet a year and two months ago?", "2025-09-11", "2025-10-12"),
        ("What did I own more than a year ago?", "0002-01-01", "2025-11-26"),
        ("What have I bought less than two weeks ago?", "2026-11-12", "2026-11-26"),
        ("What has been built not before June?", "2026-06-01", "2026-11-26"),
        ("What was paid no earlier than 3 May?", "2026-05-03", "2026-11-26"),
        ("What had arrived not later than 5 November?", "0002-01-01", "2026-11-06"),
        ("What did we do last weekend?", "2026-11-21", "2026-11-23"),
        ("What did I eat this morning?", "2026-11-26", "2026-11-27"),
        ("Whom did I meet the other day?", "2026-11-16", "2026-11-27"),
        ("What did I buy a fortnight ago?", "2026-11-05", "2026-11-20"),
        ("What did I read in the past month?", "2026-10-27", "2026-11-27"),
        ("What did I do on the 3rd?", "2026-11-03", "2026-11-04"),
        ("What did I do on the 31st?", "2026-10-31", "2026-11-01"),
        ("Where were we at Christmas?", "2025-12-21", "2025-12-28"),
        ("What broke in Q2?", "2026-04-01", "2026-07-01"),
        ("What broke in Q4 of 2025?", "2025-10-01", "2026-01-01"),
        ("Where was I between May and July?", "2026-05-01", "2026-08-01"),
        ("Where was I from November to February?", "2026-11-01", "2027-03-01"),
        ("Where did we go at the end of May?", "2026-05-19", "2026-06-01"),
        ("What did I plant in early June?", "2026-06-01", "2026-06-13"),
        ("What broke in the middle of October?", "2026-10-08", "2026-10-24"),
        ("What did I start at the beginning of the year?", "2026-01-01", "2026-05-27"),
        ("Where did we live in late 2025?", "2025-08-08", "2026-01-01"),
        ("What happened at the beginning of this month?", "2026-11-01", "2026-11-13"),
        ("What was so until the end of May?", "0002-01-01", "2026-05-19"),
        ("When did the show end last week?", "2026-11-16", "2026-11-23"),
        ("Which project did I start last month?", "2026-10-01", "2026-11-01"),
        ("When did the war end in 2020?", "2020-01-01", "2021-01-01"),
        ("Who came late yesterday?", "2026-11-25", "2026-11-26"),
        ("What have we got since Christmas?", "2025-12-21", "2026-11-26"),
        ("What did we own before Christmas?", "0002-01-01", "2025-12-21"),
        ("Where were we at Christmas 2019?", "2019-12-21", "2019-12-28"),
        ("What did I plan on the 14th February 2024?", "2024-02-14", "2024-02-15"),
        ("Where was I from November to February 2026?", "2025-11-01", "2026-03-01"),
        ("Where was I from May to July of 2024?", "2024-05-01", "2024-08-01"),
        ("What did I sow in early May?", "2026-05-01", "2026-05-13"),
        ("What did I sow in late March?", "2026-03-19", "2026-04-01"),
        ("Where did we live in mid-2020?", "2020-04-01", "2020-10-01"),
        ("Where were we in the spring of 2025?", "2025-03-01", "2025-06-01"),
        ("What did I say two Fridays ago?", "2026-11-13", "2026-11-14"),
        ("What did we do the Friday before last?", "2026-11-13", "2026-11-14"),
        ("What did we do the weekend before last?", "2026-11-14", "2026-11-16"),
        ("Where was I the summer before last?", "2025-06-01", "2025-09-01"),
        ("What broke the month before last?", "2026-09-01", "2026-10-01"),
        ("Where did I work half a year ago?", "2026-04-27", "2026-06-26"),
        ("What has changed since Easter?", "2026-04-03", "2026-11-26"),
        ("Where did we go at Easter 2025?", "2025-04-18", "2025-04-22"),
        ("Who came on New Year\u2019s Eve?", "2025-12-31", "2026-01-01"),
        ("Whom did we invite on Thanksgiving 2025?", "2025-11-27", "2025-11-28"),
        ("What did I do on the 3rd of May?", "2026-05-03", "2026-05-04"),
        ("What did I do on 3.5.2026?", "2026-05-03", "2026-05-04"),
        ("What did I do on 15/05/2026?", "2026-05-15", "2026-05-16"),
        ("Whom did I meet on Tuesday the 3rd?", "2026-11-03", "2026-11-04"),
        ("What did I do on the last day of October?", "2026-10-31", "2026-11-01"),
        ("Who sang on the first Monday of November?", "2026-11-02", "2026-11-03"),
        ("What was I going to do on Monday?", "2026-11-23", "2026-11-24"),
        ("What did I eat between 3 and 7 November?", "2026-11-03", "2026-11-08"),
        ("What did I eat from the 3rd to the 7th of November 2025?", "2025-11-03", "2025-11-08"),
        ("Where was I between May 3 and May 7?", "2026-05-03", "2026-05-08"),
        ("What did I do from Monday to Wednesday?", "2026-11-23", "2026-11-26"),
        ("What did I do from Friday to Monday?", "2026-11-20", "2026-11-24"),
        ("Where did we live between 2023 and 2025?", "2023-01-01", "2026-01-01"),
        ("What has broken between March 2025 and now?", "2025-03-01", "2026-11-26"),
        ("What did I sow in the week of 9 November?", "2026-11-09", "2026-11-16"),
        ("Who came on the weekend of the 14th?", "2026-11-14", "2026-11-16"),
        ("Who came on Tuesday last week?", "2026-11-17", "2026-11-18"),
        ("Who came on Tuesday of the week before last?", "2026-11-10", "2026-11-11"),
        ("What did I sow in mid-November?", "2026-11-08", "2026-11-23"),
        ("What did I say an hour ago?", "2026-11-26", "2026-11-27"),
        ("What did I say in the last 48 hours?", "2026-11-24", "2026-11-27"),
        ("What did I sow in the first week of November?", "2026-11-01", "2026-11-08"),
        ("What did I sow in the last week of October?", "2026-10-25", "2026-11-01"),
        ("What did I read in the second half of 2025?", "2025-07-02", "2026-01-01"),
        ("What did we earn in the second quarter?", "2026-04-01", "2026-07-01"),
        ("What did we earn last quarter?", "2026-07-01", "2026-10-01"),
        ("What did we earn in the last quarter of 2025?", "2025-10-01", "2026-01-01"),
        ("What did we pay late last month?", "2026-10-19", "2026-11-01"),
        ("What did I do last November?", "2025-11-01", "2025-12-01"),
        ("What did I do last March?", "2026-03-01", "2026-04-01"),
        ("Where were we two summers ago?", "2025-06-01", "2025-09-01"),
        ("What did I do on the third of May?", "2026-05-03", "2026-05-04"),
        ("What did I do on the twenty-first of May?", "2026-05-21", "2026-05-22"),
        ("Whom did I meet on the 10th of last month?", "2026-10-10", "2026-10-11"),
        ("Whom did I meet around the 10th?", "2026-11-07", "2026-11-14"),
        ("Where was I this time last year?", "2025-11-11", "2025-12-12"),
        ("Where did I live prior to May?", "0002-01-01", "2026-05-01"),
        ("Where did I live up to last month?", "0002-01-01", "2026-10-01"),
    ],
)
def test_a_spoken_time_is_a_span_in_the_past(text, start, end):
    """A month or weekday without a year is the latest one."""
    span = spoken(text, NOW)
    assert (str(span.start.date()), str(span.end.date())) == (start, end)


@pytest.mark.parametrize(
    "text",
    [
        "May I have a cat?",
        "When is the dentist tomorrow?",
        "What have I got on this coming Saturday?",
        "The train at 10:21",
        "What's at 10.40.9.4?",
        "Which ticket was it, OPS-1187?",
        "Will the sun shine?",
        "12 eggs?",
        "Who lives on the 3rd floor?",
        "Who won on the 1st try?",
        "Where did I park the Audi Q3?",
        "What was the answer to Q2?",
        "What happens in late 2027?",
        "What happens on the 99th?",
        "Where are we going in February?",
        "Where will I be on Sunday?",
        "What is Ada doing at Easter?",
        "What about 31.6.2026?",
        "Who painted the Easter eggs?",
        f"{'9' * 5000} days ago",
        "",
        "What happens in December 9999?",
    ],
)
def test_what_names_no_past_time_has_no_span(text):
    """Numbers, the future, and words that are months by accident."""
    assert spoken(text, NOW) is None


def test_a_note_says_day_weekday_and_distance():
    """A model cannot count days."""
    assert dated(NOW - timedelta(days=1), NOW) == "Wed 25 Nov 2026, yesterday"
    distances = [ago(NOW - timedelta(days=days), NOW) for days in (0, 5, 21, 120, 800, -1, -4)]
    assert distances == [
        "today",
        "5 days ago",
        "3 weeks ago",
        "4 months ago",
        "2 years ago",
        "tomorrow",
        "in 4 days",
    ]
