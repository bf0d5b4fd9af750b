"""`Chat`: one pass over a turn talks, remembers and recalls.

Chat (chat.py)                 options.py: how it behaves
├── window.py        the turns in the model's context, token for token
│     ├── exchanges.py    its messages as one prompt; message.py: one of them
│     └── generating.py   a reply token by token
├── turn_vectors.py  vectors from the states that talking has computed
├── long_text.py     what is read of a text that does not fit
├── recalling.py     what a turn is given from memory
│     ├── judged.py      what was found for a question, and how likely it answers
│     └── notes.py       recalled records as the notes block of a prompt
├── keeping.py       how a turn is kept: as a record, as links, or not at all
│     └── repetition.py  what a turn only repeats
├── reply.py         the reply while it is generated; stream.py: its text
├── ledger.py        why a reply said what it said
├── resume.py        continuing a closed session
└── transcript.py    a conversation that the caller sends anew each time
"""

from lmort_memory.chat.chat import Chat
from lmort_memory.chat.ledger import Ledger, Repeat, Timings
from lmort_memory.chat.message import Message
from lmort_memory.chat.notes import Injected
from lmort_memory.chat.options import SYSTEM, ChatOptions
from lmort_memory.chat.repetition import Link
from lmort_memory.chat.reply import Reply, ReplyPiece
from lmort_memory.chat.window import OldNotes, RoomMade

__all__ = [
    "SYSTEM",
    "Chat",
    "ChatOptions",
    "Injected",
    "Ledger",
    "Link",
    "Message",
    "OldNotes",
    "Repeat",
    "Reply",
    "ReplyPiece",
    "RoomMade",
    "Timings",
]
