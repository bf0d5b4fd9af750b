"""A chat over PostgreSQL says, remembers and explains as one over a file does."""

import pytest

from lmort_memory import Chat, ChatOptions, Memory, Sampling
from lmort_memory.errors import RecordNotFoundError
from tests.support.tiny_chat import write_pair

OPTIONS = ChatOptions(n_ctx=1024, max_tokens=8, sampling=Sampling(temperature=0))


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """Paths of a tiny model and its tuner."""
    return write_pair(tmp_path_factory.mktemp("pair"))


def test_a_chat_reads_its_ledgers(postgres, pair):
    """The last turn has a ledger, and each turn's is found by question and answer."""
    url = postgres.url(schema=postgres.fresh_schema(), pool_size=2)
    with (
        Memory.open(url, model=pair[0], tuner=pair[1]) as memory,
        Chat(memory, session="s", options=OPTIONS) as chat,
    ):
        with pytest.raises(RecordNotFoundError):
            chat.ledger()
        replies = []
        for text, answer in (("Ada keeps bees.", "I see."), ("What does Ada keep?", "Bees.")):
            replies.append(chat.say(text, reply=answer))
            assert "".join(replies[-1]) == answer
            assert chat.ledger().turn_id == replies[-1].turn.id
        for reply in replies:
            for id_ in (reply.turn.id, reply.ledger.reply_id):
                assert chat.ledger(id_).turn_id == reply.turn.id
