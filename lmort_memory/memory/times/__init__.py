"""Times as people say them: "last week", "in March", "the day before yesterday".

reading.py              the first time in a text that is surely one, and past
├── wording.py          the text as the patterns know it
├── ranges.py           "between 3 and 7 November", made of other times
├── phrases.py          every pattern, in order
│     ├── counted.py        "twelve days ago", "the last six months"
│     ├── decades.py        "the late nineties"
│     ├── dates.py          "on the 5th", "3.5.2026"
│     ├── feasts.py         "at Easter", "on Halloween 2024"
│     └── named_days.py     "two Fridays ago", "the first week of May"
├── parsed.py           what the library for dates reads, set right
├── openings.py         "since", "until", "the end of" before any of these
└── doubts.py, ahead.py     what looks like a past time and is none

spans.py and calendar_days.py are what all of them are made of.
"""

from lmort_memory.memory.times.reading import ago, dated, spoken, without
from lmort_memory.memory.times.spans import Span, everything_before

__all__ = ["Span", "ago", "dated", "everything_before", "spoken", "without"]
