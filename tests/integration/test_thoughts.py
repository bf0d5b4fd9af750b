"""A model's reasoning is shown while it streams, and kept nowhere: not stored, not given back."""

import json
from collections import Counter

import numpy as np
import pytest

from lmort_memory import Chat, ChatOptions, Memory, Sampling
from lmort_memory.backbone.thinking import Thinking, thinking_of
from lmort_memory.chat.stream import ReplyStream
from lmort_memory.chat.window import Window, WindowOptions
from lmort_memory.importers import read as read_file
from lmort_memory.importers import scan
from lmort_memory.messages import read_messages
from lmort_memory.testing.tiny_gguf import CHATML
from lmort_memory.thoughts import without_thoughts
from lmort_memory.types import Turn
from tests.support.cli import write_tiny_pair

ROW = np.zeros((1, 1, 2), np.float32)
MARKS = thinking_of(
    "<|channel|> <|message|> [THINK] <|START_THINKING|> text.split('<channel|>')", ""
)


def read(text, thinking=MARKS, step=1, stops=()):
    """Stream a text in pieces of some bytes; return the answer, the reasoning and the stream."""
    stream = ReplyStream(stops, thinking)
    data = text.encode()
    shown = ""
    for i in range(0, len(data), step):
        if not stream.stopped:
            shown += stream.take(i, data[i : i + step])
            stream.evaluated(ROW)
    shown += stream.finish()
    assert shown == stream.text
    return stream.text, stream.thought, stream


@pytest.mark.parametrize("step", [1, 3, 1000])
@pytest.mark.parametrize(
    ("raw", "answer", "thought"),
    [
        ("<think>\nhm\n</think>\n\nBergen.", "Bergen.", "\nhm\n"),
        ("\n<think></think>Bergen.", "Bergen.", ""),
        ("<thinking>a</thinking><think>b</think>Bergen.", "Bergen.", "ab"),
        ("[THINK]x[/THINK]Bergen.", "Bergen.", "x"),
        ("<|START_THINKING|>x<|END_THINKING|>Bergen.", "Bergen.", "x"),
        (
            "<|channel|>analysis<|message|>x<|end|><|start|>assistant<|channel|>final<|message|>Hi",
            "Hi",
            "x<|end|><|start|>assistant",
        ),
        ("<|channel|>final<|message|>Hi", "Hi", ""),
        (
            "<|channel|>commentary<|message|>I will look.<|channel|>final<|message|>Hi",
            "Hi",
            "<|message|>I will look.",
        ),
        ("<|channel>thought\nx\n<channel|>Hi", "Hi", "\nx\n"),
        ("<|channel>thought\n<channel|>Hi", "Hi", "\n"),
        (
            "Bergen, and <think>this</think> is text.",
            "Bergen, and <think>this</think> is text.",
            "",
        ),
        ("<thorough answer>", "<thorough answer>", ""),
        ("<thin", "<thin", ""),
        ("<think>never finished", "", "never finished"),
    ],
)
def test_reasoning_before_the_answer_is_told_apart(raw, answer, thought, step):
    """Whatever the marks and wherever a piece ends, the answer is the answer."""
    assert read(raw, step=step)[:2] == (answer, thought)


def test_a_character_that_was_cut_is_not_said():
    """A reply may end in the middle of an emoji: U+FFFD would be shown, stored and recalled."""
    stream = ReplyStream(())
    data = "Bees \N{HONEYBEE}".encode()
    shown = "".join(stream.take(i, data[i : i + 1]) for i in range(len(data) - 1))
    assert (shown + stream.finish(), stream.text) == ("Bees ", "Bees ")


def test_tokens_and_states_are_those_of_the_answer():
    """Vectors are made of the answer alone, and a stop in the reasoning stops nothing."""
    raw = "<think>\nUser: ?</think>Bergen.\nUser: hi"
    answer, thought, stream = read(raw, stops=("\nUser:",))
    assert (answer, thought) == ("Bergen.", "\nUser: ?")
    assert stream.n_thought_tokens == raw.index("Bergen")
    assert stream.tokens == list(range(raw.index("Bergen"), raw.index("\nUser: hi")))
    assert stream.states.shape == (1, len("Bergen."), 2)


def test_a_prompt_may_have_opened_the_block():
    """DeepSeek R1's template ends with the opening mark: the reply begins inside."""
    thinking = thinking_of("…<think>\\n", "<|Assistant|><think>\n")
    assert thinking.begun == "</think>"
    assert read("hm</think>Bergen.", thinking)[:2] == ("Bergen.", "hm")
    assert thinking_of(CHATML, "<|im_start|>assistant\n").begun == ""
    assert Thinking(MARKS.marks).may_be_part("<|channel|>")
    assert not Thinking(MARKS.marks).may_be_part("<|im_start|>")


def test_the_cache_holds_the_answer_and_not_the_reasoning(memory_of):
    """After a reply the window's cache is the prompt that the next turn will need."""
    with memory_of(CHATML) as memory:
        backbone = memory.backbone
        window = Window(
            backbone,
            backbone.prompts,
            layers=(1,),
            options=WindowOptions(n_ctx=512, system="", old_notes="shift"),
        )
        window.enter(backbone.prompts.tokenize("Where?"))
        window.open_reply("\nNotes: here")
        said = [token for token, _ in window.generate(Sampling(temperature=0), 12, lambda _: None)]
        window.close_reply(said[5:], (), n_before=5)
        wanted = backbone.prompts.write(
            ["user", "assistant"], [backbone.prompts.tokenize("Where?"), said[5:]], reply=False
        )
        have = window._sequence.tokens
        assert have == wanted.tokens[: len(have)]
        window.close()


@pytest.fixture
def memory_of(tmp_path):
    """Open a memory over a tiny model with the given chat template."""

    def make(template):
        model, tuner = write_tiny_pair(tmp_path, chat_template=template)
        return Memory.open(tmp_path / "m.db", model=model, tuner=tuner)

    return make


def test_a_reply_of_reasoning_alone_is_not_stored(memory_of):
    """The tiny model never finishes a thought: it is shown, and neither stored nor recalled."""
    opened = CHATML.replace(
        "<|im_start|>assistant\n' }}{% endif %}", "<|im_start|>assistant\n<think>' }}{% endif %}"
    )
    assert opened != CHATML
    with memory_of(opened) as memory, Chat(memory, options=ChatOptions(max_tokens=12)) as chat:
        reply = chat.say("Where does Ada live?")
        pieces = list(reply.pieces())
        assert "".join(piece.thought for piece in pieces) == reply.thought != ""
        assert reply.text == "" and reply.ledger.reply_id is None
        assert [record.role for record in memory.records()] == ["user"]
        assert "".join(chat.say("And Bob?")) == ""


KEPT_BY_OTHERS = [
    ("<think>hm</think>\n<thinking>and</thinking>\n\nBergen, I think.", "Bergen, I think."),
    ("\n<think>\n\n</think>\n\nBergen.", "Bergen."),
    ("[THINK]hm[/THINK]Bergen.", "Bergen."),
    ("<reasoning>hm</reasoning>Bergen.", "Bergen."),
    ("<|channel>thought\nhm<channel|>Bergen.", "Bergen."),
    ("<|channel|>analysis<|message|>hm<|end|><|channel|>final<|message|>Bergen.", "Bergen."),
    ("<|channel|>final<|message|>Bergen.", "Bergen."),
    ("hm, Oslo?\nno.\n</think>\n\nBergen.", "Bergen."),
    ('<details type="reasoning" done="true">\n> hm\n</details>\nBergen.', "Bergen."),
]
ABOUT_MARKS = [
    "The tag <think> opens a block.",
    "`<think>` opens a block, and </think> closes it.",
    "It ends so:\n```\nhm\n</think>\n```\nand then comes the answer.",
    "It ends so:\n~~~\nhm\n</think>\n~~~\nand then comes the answer.",
    "It ends so:\n\n    hm\n    </think>\n\nand then comes the answer.",
    "<reasoning>It is all that was asked for.</reasoning>",
    "<reasoning> is a tag of XML.",
    "<details><summary>More</summary>hm</details>",
]


@pytest.mark.parametrize(("raw", "answer"), KEPT_BY_OTHERS)
def test_what_other_programs_keep_of_reasoning_is_no_answer(raw, answer):
    """Whichever model it was: programs keep its raw text, and the next one is not given it."""
    assert without_thoughts(raw) == answer
    assert [one.text for one in read_messages({"role": "assistant", "content": raw})] == [answer]
    parts = [{"type": "text", "text": raw}]
    assert [one.text for one in read_messages({"role": "assistant", "content": parts})] == [answer]


@pytest.mark.parametrize("text", ABOUT_MARKS)
def test_a_reply_about_marks_stays_as_it_is(text):
    """A model may be asked what such a mark means."""
    assert without_thoughts(text) == text


def test_blocks_without_end_are_read_in_one_go():
    """A model that only opens and closes blocks costs the length of its reply, not its square."""
    assert without_thoughts("<think></think>\n" * 200_000 + "Bergen.") == "Bergen."
    assert without_thoughts("<thought></thought>" * 200_000 + "Bergen.") == "Bergen."


@pytest.mark.parametrize("raw", ["<think>never closed", "[THINK]a", "<think>a</think>", "<think>"])
def test_reasoning_that_was_cut_has_no_answer(raw):
    """It is not the answer, however much of it there is."""
    assert without_thoughts(raw) == ""


def test_a_reply_is_stored_without_its_reasoning(tmp_path):
    """Clients that keep the model's raw output do not fill the memory with its reasoning."""
    raw, answer = KEPT_BY_OTHERS[0]
    with Memory.open(tmp_path / "m.db", with_model=False) as memory:
        assert memory.add({"role": "assistant", "content": raw}).text == answer
        assert memory.add(Turn(raw, role="assistant")).text == answer
        said = memory.add({"role": "user", "content": "<think> is a tag"})
        assert said.text == "<think> is a tag"
        with pytest.raises(ValueError, match=r"nothing to remember: .* 1 reasoning"):
            memory.add({"role": "assistant", "content": "<think>never closed"})
        with pytest.raises(ValueError, match=r"nothing to remember: .* 1 reasoning"):
            memory.add(Turn("<think>never closed", role="assistant"))


@pytest.mark.parametrize("many", [False, True])
def test_a_reply_that_was_cut_loses_nothing_said_before_it(tmp_path, many):
    """Hooks add what the user said and the reply at once: the reply alone is left out."""
    cut = "<think>never closed"
    said = [
        Turn("I am allergic to nuts."),
        Turn(cut, role="assistant"),
        {"role": "assistant", "content": cut},
    ]
    with Memory.open(tmp_path / "m.db", with_model=False) as memory:
        if many:
            assert memory.add_many(said) == 1
        else:
            assert memory.add(said).left_out == {"reasoning": 2}
        assert [record.text for record in memory.records()] == ["I am allergic to nuts."]


@pytest.mark.parametrize(
    "text", ["[THINK] is Magistral's mark.", "It ends so:\n</think>\nThen it says."]
)
def test_what_a_chat_has_said_is_stored_as_it_was_said(memory_of, monkeypatch, text):
    """Marks that the model's template does not have are its answer: it may be asked about them."""
    monkeypatch.setattr("lmort_memory.chat.chat.without_thoughts", str)  # as if it were generated
    with memory_of(CHATML) as memory, Chat(memory) as chat:
        assert "".join(chat.say("How does it mark that?", reply=text)) == text
        assert memory.get(chat.ledger().reply_id).text == text


def test_an_imported_reply_is_stored_without_its_reasoning(tmp_path):
    """Whatever the format; a reply of reasoning alone is counted and left out."""
    raw, answer = KEPT_BY_OTHERS[0]
    said = [("user", "<think>"), ("assistant", raw), ("assistant", "<think>never closed")]
    path = tmp_path / "chat.jsonl"
    path.write_text("".join(json.dumps({"role": r, "text": t}) + "\n" for r, t in said))
    left_out = Counter()
    (file,) = scan([path]).files
    assert [turn.text for turn in read_file(file, left_out)] == ["<think>", answer]
    assert left_out == {"reasoning": 2}


def test_an_answer_given_to_a_chat_is_kept_without_its_reasoning(memory_of):
    """What another program has generated is evaluated and stored as if it had been said here."""
    with memory_of(CHATML) as memory, Chat(memory) as chat:
        raw, answer = KEPT_BY_OTHERS[0]
        assert "".join(chat.say("Where?", reply=raw)) == answer
        assert memory.get(chat.ledger().reply_id).text == answer
