"""Kinds of spoken times, and what only looks like one, seen from Thursday 26 November 2026."""

from datetime import UTC, datetime

import pytest

from lmort_memory.memory.times import spoken, without

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)


def _dates(text):
    span = spoken(text, NOW)
    return span and (str(span.start.date()), str(span.end.date()))


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("What was I up to last weekend?", "2026-11-21", "2026-11-23"),
        ("What did we get up to on Saturday?", "2026-11-21", "2026-11-22"),
        ("What have I been up to this week?", "2026-11-23", "2026-11-30"),
        ("What were the kids up to in June?", "2026-06-01", "2026-07-01"),
        ("What was my brother up to on Friday night?", "2026-11-20", "2026-11-21"),
        ("Was I up to anything last weekend?", "2026-11-21", "2026-11-23"),
        ("Who turned up to the party last week?", "2026-11-16", "2026-11-23"),
        ("What's Ada been up to since June?", "2026-06-01", "2026-11-26"),
        ("What happened up to yesterday?", "0002-01-01", "2026-11-25"),
        ("What was the score up to Friday?", "0002-01-01", "2026-11-20"),
        ("What did I read up to last month?", "0002-01-01", "2026-10-01"),
    ],
)
def test_what_one_was_up_to_is_no_opening(text, start, end):
    """The words "up to" open a time, but not in "what were you up to?"."""
    assert _dates(text) == (start, end)


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("What did we do on Friday night?", "2026-11-20", "2026-11-21"),
        ("Who came Sunday morning?", "2026-11-22", "2026-11-23"),
        ("Whom did I meet on Monday at 3pm?", "2026-11-23", "2026-11-24"),
        ("Whom did I meet at 3pm on Monday?", "2026-11-23", "2026-11-24"),
        ("What happened Tuesday at 10:30?", "2026-11-24", "2026-11-25"),
        ("Who called on Wednesday at noon?", "2026-11-25", "2026-11-26"),
        ("What did I do last Tuesday evening?", "2026-11-24", "2026-11-25"),
        ("What did I do last Thursday evening?", "2026-11-19", "2026-11-20"),
        ("Who called on the evening of Monday?", "2026-11-23", "2026-11-24"),
        ("Who called on the morning of the 5th?", "2026-11-05", "2026-11-06"),
        ("What happened the night of 3 November?", "2026-11-03", "2026-11-04"),
        ("What did I do on Fri night?", "2026-11-20", "2026-11-21"),
        ("What have I done since Monday morning?", "2026-11-23", "2026-11-26"),
        ("What did I do before Friday night?", "0002-01-01", "2026-11-20"),
        ("Where was I between Friday night and Sunday morning?", "2026-11-20", "2026-11-23"),
    ],
)
def test_a_weekday_with_a_part_or_hour_is_a_day(text, start, end):
    """It is the latest such day, all of it."""
    assert _dates(text) == (start, end)


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("What did we do in June?", "2026-06-01", "2026-07-01"),
        ("What did I sow last April?", "2026-04-01", "2026-05-01"),
        ("What changed since June?", "2026-06-01", "2026-11-26"),
        ("What did I sow in early August?", "2026-08-01", "2026-08-13"),
        ("Where were we June 2024?", "2024-06-01", "2024-07-01"),
        ("Where were we this June?", "2026-06-01", "2026-07-01"),
        ("What was on June's bill?", "2026-06-01", "2026-07-01"),
        ("Who met June in May?", "2026-05-01", "2026-06-01"),
        ("When did June move in March?", "2026-03-01", "2026-04-01"),
        ("What did June say last week?", "2026-11-16", "2026-11-23"),
        ("What did we pay in Dec?", "2025-12-01", "2026-01-01"),
        ("What did I do in December?", "2025-12-01", "2026-01-01"),
        ("What did I do on 5 December?", "2025-12-05", "2025-12-06"),
        ("Who was born on the first of June?", "2026-06-01", "2026-06-02"),
        ("What did we do in the month of June?", "2026-06-01", "2026-07-01"),
        ("Where were the photos from October taken?", "2026-10-01", "2026-11-01"),
        ("June", "2026-06-01", "2026-07-01"),
    ],
)
def test_a_month_that_is_a_name_is_read_after_a_preposition(text, start, end):
    """After a preposition it is a month, whosever name it may be."""
    assert _dates(text) == (start, end)


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("What did we do the day after Christmas?", "2025-12-26", "2025-12-27"),
        ("What did we do the week before Christmas?", "2025-12-18", "2025-12-25"),
        ("Who came the week after Easter?", "2026-04-06", "2026-04-13"),
        ("What did I do the day before Halloween?", "2026-10-30", "2026-10-31"),
        ("What did I do the day before yesterday?", "2026-11-24", "2026-11-25"),
        ("Who came the day after 3 November?", "2026-11-04", "2026-11-05"),
        ("What did I do the day before the 5th?", "2026-11-04", "2026-11-05"),
        ("What did I do two days before Christmas?", "2025-12-23", "2025-12-24"),
        ("Who came the weekend after Easter?", "2026-04-11", "2026-04-13"),
        ("Who came the Saturday before Easter?", "2026-04-04", "2026-04-05"),
        ("Where were we the month before June?", "2026-05-01", "2026-06-01"),
        ("Where were we the year before 2020?", "2019-01-01", "2020-01-01"),
        ("What broke the week after 9 November?", "2026-11-10", "2026-11-17"),
        ("What broke three weeks after Easter?", "2026-04-23", "2026-04-30"),
        ("What did we do the morning after Halloween?", "2026-11-01", "2026-11-02"),
        ("Where were we the month before last Christmas?", "2025-11-25", "2025-12-25"),
        ("What did I do the night before last?", "2026-11-24", "2026-11-25"),
        ("What did we do after 3 November?", "2026-11-04", "2026-11-26"),
        ("What did I do three days before June 5th?", "2026-06-02", "2026-06-03"),
    ],
)
def test_the_day_or_week_beside_a_time_is_exact(text, start, end):
    """The feast itself counts, not the days around it."""
    assert _dates(text) == (start, end)


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("What have I read over the last six months?", "2026-05-27", "2026-11-27"),
        ("What did I eat in the past seven days?", "2026-11-19", "2026-11-27"),
        ("What did I eat in the last ten days?", "2026-11-16", "2026-11-27"),
        ("What did I buy twelve days ago?", "2026-11-14", "2026-11-15"),
        ("What did I buy a couple weeks ago?", "2026-11-09", "2026-11-16"),
        ("What did I buy two weeks back?", "2026-11-09", "2026-11-16"),
        ("Where was I a few months back?", "2026-08-12", "2026-09-12"),
        ("What did I say twenty minutes ago?", "2026-11-26", "2026-11-27"),
        ("What did I buy twenty-five days ago?", "2026-11-01", "2026-11-02"),
        ("What did I buy thirty days ago?", "2026-10-27", "2026-10-28"),
        ("What did I buy 400 days ago?", "2025-10-22", "2025-10-23"),
        ("Where did I live ten years ago?", "2016-05-30", "2017-05-30"),
        ("Where did I live two and a half years ago?", "2023-11-28", "2024-11-27"),
        ("What broke a week and a half ago?", "2026-11-13", "2026-11-20"),
        ("What did I eat in the last week?", "2026-11-19", "2026-11-27"),
        ("What did I eat in the last month?", "2026-10-27", "2026-11-27"),
        ("Where was I over the last year?", "2025-11-26", "2026-11-27"),
        ("What did I eat last month?", "2026-10-01", "2026-11-01"),
        ("What did I read the last couple weeks?", "2026-11-12", "2026-11-27"),
        ("What did I say in the last hour?", "2026-11-26", "2026-11-27"),
        ("What did I say five Fridays ago?", "2026-10-23", "2026-10-24"),
        ("Who came two nights ago?", "2026-11-24", "2026-11-25"),
    ],
)
def test_a_counted_time_is_read(text, start, end):
    """Up to now with a number, or with "in the last"; "last week" is that of the calendar."""
    assert _dates(text) == (start, end)


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("Where were we in the summer last year?", "2025-06-01", "2025-09-01"),
        ("What did I sow in June of last year?", "2025-06-01", "2025-07-01"),
        ("Whom did we meet Halloween last year?", "2025-10-31", "2025-11-01"),
        ("What broke in Q3 last year?", "2025-07-01", "2025-10-01"),
        ("What did we earn in the third quarter of last year?", "2025-07-01", "2025-10-01"),
        ("Where were we autumn last year?", "2025-09-01", "2025-12-01"),
        ("Where were we Christmas two years ago?", "2024-12-21", "2024-12-28"),
        ("What did I do in March this year?", "2026-03-01", "2026-04-01"),
        ("Where were we last year in June?", "2025-06-01", "2025-07-01"),
        ("Where were we last year at Christmas?", "2025-12-21", "2025-12-28"),
        ("Where did we go last year's summer?", "2025-06-01", "2025-09-01"),
        ("What did I do on 3 May last year?", "2025-05-03", "2025-05-04"),
        ("What did I pay at the end of June last year?", "2025-06-19", "2025-07-01"),
        ("What did I read in the second half of last year?", "2025-07-02", "2026-01-01"),
        ("What changed since June last year?", "2025-06-01", "2026-11-26"),
        ("Where was I between May and July last year?", "2025-05-01", "2025-08-01"),
        ("What did May say last year?", "2025-01-01", "2026-01-01"),
        ("What did I sow in mid-June last year?", "2025-06-08", "2025-06-23"),
    ],
)
def test_a_relative_year_belongs_to_the_time_beside_it(text, start, end):
    """The year may be a relative one, before or after the rest."""
    assert _dates(text) == (start, end)


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("Where were we over the summer?", "2026-06-01", "2026-09-01"),
        ("What did I read over the winter?", "2025-12-01", "2026-03-01"),
        ("What changed since the summer?", "2026-06-01", "2026-11-26"),
        ("What changed since summer?", "2026-06-01", "2026-11-26"),
        ("Where were we summer 2023?", "2023-06-01", "2023-09-01"),
        ("Where were we in the fall of 2023?", "2023-09-01", "2023-12-01"),
        ("What did I wear for Halloween?", "2026-10-31", "2026-11-01"),
        ("What did I get for Christmas?", "2025-12-21", "2025-12-28"),
        ("Who came on Valentine's Day?", "2026-02-14", "2026-02-15"),
        ("Who came at Easter?", "2026-04-03", "2026-04-07"),
        ("What did we eat on Christmas morning?", "2025-12-25", "2025-12-26"),
        ("Where were we over Easter?", "2026-04-03", "2026-04-07"),
        ("Where were we at New Year's?", "2025-12-30", "2026-01-03"),
        ("Where were we Xmas 2024?", "2024-12-21", "2024-12-28"),
        ("Who came on St Patrick's Day?", "2026-03-17", "2026-03-18"),
        ("What did we do on Easter Sunday?", "2026-04-05", "2026-04-06"),
    ],
)
def test_a_season_or_feast_is_read(text, start, end):
    """With the usual words before it, or a year after it."""
    assert _dates(text) == (start, end)


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("What did I say on the 14th and why?", "2026-11-14", "2026-11-15"),
        ("What did I say on the 14th about the roof?", "2026-11-14", "2026-11-15"),
        ("What changed since the 10th?", "2026-11-10", "2026-11-26"),
        ("What did I own before the 10th?", "0002-01-01", "2026-11-10"),
        ("Who came on the fifth?", "2026-11-05", "2026-11-06"),
        ("What did I say Monday the 16th about the roof?", "2026-11-16", "2026-11-17"),
        ("Who came November the 5th?", "2026-11-05", "2026-11-06"),
        ("What did I do on the 5th of this month?", "2026-11-05", "2026-11-06"),
        ("Who came November first?", "2026-11-01", "2026-11-02"),
        ("Who came Sept 3?", "2026-09-03", "2026-09-04"),
        ("Who came on Sept. 3?", "2026-09-03", "2026-09-04"),
        ("Who came in Sept?", "2026-09-01", "2026-10-01"),
        ("Who came on weds?", "2026-11-25", "2026-11-26"),
        ("Who came on thurs?", "2026-11-26", "2026-11-27"),
        ("Who came on Tues the 3rd?", "2026-11-03", "2026-11-04"),
        ("Who came October the 3rd, 2025?", "2025-10-03", "2025-10-04"),
    ],
)
def test_a_day_of_a_month_is_read(text, start, end):
    """In figures or words, before or after its month, or alone."""
    assert _dates(text) == (start, end)


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("Who came on the last weekend in October?", "2026-10-31", "2026-11-02"),
        ("Who came on the first weekend of October?", "2026-10-03", "2026-10-05"),
        ("What did I sow in the first two weeks of November?", "2026-11-01", "2026-11-15"),
        ("Who came this past weekend?", "2026-11-21", "2026-11-23"),
        ("What did I do in the last few months of 2025?", "2025-10-01", "2026-01-01"),
        ("What did I do in the last three months of last year?", "2025-10-01", "2026-01-01"),
        ("What did I do in the first three days of October?", "2026-10-01", "2026-10-04"),
        ("What did I do in the last month of 2025?", "2025-12-01", "2026-01-01"),
    ],
)
def test_a_part_of_a_month_or_year_is_read(text, start, end):
    """Weekends, and so many days, weeks or months."""
    assert _dates(text) == (start, end)


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("What did we do Friday?", "2026-11-20", "2026-11-21"),
        ("Did Ada call Monday about the roof?", "2026-11-23", "2026-11-24"),
        ("In Tuesday's meeting, what did we decide?", "2026-11-24", "2026-11-25"),
        ("What did I do on 7/16?", "2026-07-16", "2026-07-17"),
        ("What's the name of the man I met on Friday?", "2026-11-20", "2026-11-21"),
        ("What are the notes from Monday's meeting?", "2026-11-23", "2026-11-24"),
        ("Do you remember what we ate in June?", "2026-06-01", "2026-07-01"),
        ("How was the weekend?", "2026-11-21", "2026-11-23"),
        ("Can you remind me what we did in May?", "2026-05-01", "2026-06-01"),
        ("What have I written since June?", "2026-06-01", "2026-11-26"),
        ("What's the recipe I sent you in March?", "2026-03-01", "2026-04-01"),
        ("What did we plan for the weekend?", "2026-11-21", "2026-11-23"),
    ],
)
def test_a_time_of_the_past_is_told_from_a_coming_one(text, start, end):
    """Before nothing, or before a word that goes on."""
    assert _dates(text) == (start, end)


@pytest.mark.parametrize(
    "text",
    [
        "Who is June?",
        "Do you remember June?",
        "Tell me about June.",
        "What did April say?",
        "What did Jan say?",
        "Is August coming?",
        "What do you think of June?",
        "What did I buy for June?",
        "Is June married?",
        "What did I learn from June?",
        "Did I see June last year?",
    ],
)
def test_a_name_has_no_span(text):
    """June, April and Jan are people too."""
    assert spoken(text, NOW) is None


@pytest.mark.parametrize(
    "text",
    [
        "Where is TGI Friday's?",
        "Who wants to eat at Friday's?",
        "Sunday roast recipe",
        "Monday.com login",
        "My login on Monday.com?",
        "Who offered me the Saturday job?",
        "Who reads the Sunday Times?",
        "Who sings Ruby Tuesday?",
        "What did I say about Black Friday?",
        "What did I do every Monday?",
        "What did I do on Mondays?",
        "1/2 a cup",
        "7/16 or 3/8 wrench",
        "3/4 of the cake",
        "Is the shop open 24/7?",
        "What did I do on my last day at Acme?",
        "Who sat beside me in my last week at Acme?",
        "Whom did I meet over the last year of school?",
        "Who won in the fall of Rome?",
        "Who lives on the 5th floor?",
        "Who won on the second attempt?",
        "Did they march first?",
        "presents for Christmas",
        "What did Ada say she wants for Christmas?",
        "What did I do the day before my birthday?",
    ],
)
def test_a_thing_has_no_span(text):
    """Names of things, kinds of things, and fractions."""
    assert spoken(text, NOW) is None


@pytest.mark.parametrize(
    "text",
    [
        "What's planned for the weekend?",
        "What are we doing this weekend?",
        "What is due on Friday?",
        "When does school start in September?",
        "Do I work on Friday?",
        "What happens on Friday?",
        "What do I need to do before Christmas?",
        "Who has a birthday in May?",
        "What do I have on Tuesday?",
        "What have I got on Monday?",
        "Am I free on Saturday?",
        "Where should we go in the summer?",
        "What time does the train leave on Friday night?",
        "What do we have planned for Easter?",
        "What are you up to this weekend?",
        "What happens in December?",
        "Where were we at Christmas this year?",
        "What is Ada doing the day after Christmas?",
        "in ten days",
        "in the next ten days",
    ],
)
def test_the_future_has_no_span(text):
    """Questions in the present tense about a day that comes again."""
    assert spoken(text, NOW) is None


@pytest.mark.parametrize(
    "word",
    ["9", "9 ", "word ", "last ", "up to ", "the day before ", "june ", "1/2 ", "from friday to "],
)
def test_of_a_long_text_the_beginning_is_searched(word):
    """A pasted document is no question; nothing takes longer for the rest of it."""
    text = word * (20_000 // len(word))
    assert spoken(f"{text} last week", NOW) == spoken(f"{text} on Monday", NOW)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("What did we pay in Sept. last year?", "Sept. last year"),
        ("Where were we last year in June?", "last year in June"),
        ("What did I sow in mid-November?", "mid-November"),
        ("\u0130 met whom on Thurs night?", "on Thurs night"),
    ],
)
def test_the_words_of_a_time_are_those_that_were_said(text, words):
    """They are taken out of the question where only the rest should match."""
    span = spoken(text, NOW)
    assert span.words == words
    assert words not in without(text, span)


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("What did I do last Tuesday but one?", "2026-11-17", "2026-11-18"),
        ("Who rang last week but one?", "2026-11-09", "2026-11-16"),
        ("What did I pay last month but one?", "2026-09-01", "2026-10-01"),
        ("Where were we the last weekend but one?", "2026-11-14", "2026-11-16"),
        ("Where were we last summer but one?", "2025-06-01", "2025-09-01"),
        ("What broke the January before last?", "2025-01-01", "2025-02-01"),
        ("What broke the November before last?", "2024-11-01", "2024-12-01"),
    ],
)
def test_the_last_but_one_is_the_one_before(text, start, end):
    """It is not the last one."""
    assert _dates(text) == (start, end)


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("Where did we live in the nineties?", "1990-01-01", "2000-01-01"),
        ("What did she paint in the 1920s?", "1920-01-01", "1930-01-01"),
        ("Who sang that song of the '80s?", "1980-01-01", "1990-01-01"),
        ("Where did we live in the early 2000s?", "2000-01-01", "2004-01-01"),
        ("What did I drive in the late eighties?", "1985-12-31", "1990-01-01"),
        ("What did we own before the seventies?", "0002-01-01", "1970-01-01"),
        ("What have we got since the noughties?", "2000-01-01", "2026-11-26"),
        ("What did I plant in May '25?", "2025-05-01", "2025-06-01"),
        ("What did I sell on 4 May '25?", "2025-05-04", "2025-05-05"),
        ("Where did we go in the summer of '69?", "1969-06-01", "1969-09-01"),
        ("Where did we live in '98?", "1998-01-01", "1999-01-01"),
    ],
)
def test_a_decade_or_a_short_year_is_read(text, start, end):
    """A year of two figures is the latest that has begun."""
    assert _dates(text) == (start, end)


@pytest.mark.parametrize(
    "text",
    [
        "Who is in her nineties?",
        "What was it like in my twenties?",
        "Who directed in '24 Hours'?",
        "Was the humidity in the 90s percent?",
    ],
)
def test_an_age_or_a_title_is_no_decade(text):
    """Numbers like those of decades."""
    assert _dates(text) is None


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("What did I note in 2025-W12?", "2025-03-17", "2025-03-24"),
        ("What did I note in week 12 of 2025?", "2025-03-17", "2025-03-24"),
        ("What did I note in 2025-11?", "2025-11-01", "2025-12-01"),
        ("What did I note in 11/2025?", "2025-11-01", "2025-12-01"),
        ("What changed since 06/2026?", "2026-06-01", "2026-11-26"),
        ("What did I say on the first Monday of this month?", "2026-11-02", "2026-11-03"),
        ("What did I say on the last day of last month?", "2026-10-31", "2026-11-01"),
        ("What happened on the 29th of February?", "2024-02-29", "2024-03-01"),
        ("What happened on the 29th of February 2020?", "2020-02-29", "2020-03-01"),
        ("Where was I in August and September?", "2026-08-01", "2026-10-01"),
        ("Where was I in December or January 2025?", "2024-12-01", "2025-02-01"),
        ("Where was I in March and October?", "2026-03-01", "2026-04-01"),
        ("What did I buy two or three days ago?", "2026-11-23", "2026-11-25"),
        ("What did I buy 3-4 weeks ago?", "2026-10-26", "2026-11-09"),
    ],
)
def test_months_and_weeks_in_figures_and_pairs_are_read(text, start, end):
    """The time that is named, and not the year or the day that a part of it would be."""
    assert _dates(text) == (start, end)
