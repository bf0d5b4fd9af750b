"""Models without a template chat in plain lines, and any model in another form than its own."""

import json

import pytest

from lmort_memory import BackboneError, Chat, ChatOptions, Memory, Sampling
from tests.support.cli import Cli
from tests.support.templates import MISTRAL
from tests.support.tiny_chat import write_pair

SHORT = {"system": "", "n_ctx": 1024, "max_tokens": 6, "sampling": Sampling(temperature=0)}


@pytest.fixture(scope="module")
def base_pair(tmp_path_factory):
    """A tiny model that has no chat template, and its tuner."""
    return write_pair(tmp_path_factory.mktemp("base"), chat_template=None)


@pytest.fixture
def memory(base_pair, tmp_path):
    """An empty memory over the model without a template."""
    model, tuner = base_pair
    with Memory.open(tmp_path / "memory.db", model=model, tuner=tuner) as opened:
        yield opened


def prompt_after(memory, options):
    """Say something and return the text that the model was given, up to the reply."""
    with Chat(memory, options=options) as chat:
        reply = chat.say("Hello there.")
        list(reply)
        tokens = chat._window._sequence.tokens
    text = memory.backbone.vocabulary.detokenize(tokens)
    return text[: text.index("Hello there.")], text[text.index("Hello there.") :]


@pytest.mark.parametrize(
    ("options", "before", "after"),
    [
        ({}, "User: ", "\nAssistant:"),
        ({"speakers": ("Q", "A")}, "Q: ", "\nA:"),
        ({"template": MISTRAL}, "[INST] ", "[/INST]"),
    ],
)
def test_the_model_reads_the_form_that_was_chosen(memory, options, before, after):
    """Plain lines by default, with other names, or a whole template: the prompt shows it."""
    opening, rest = prompt_after(memory, ChatOptions(**SHORT, **options))
    assert opening.endswith(before)
    assert after in rest


def test_plain_lines_take_the_place_of_a_template(tmp_path):
    """A model with a template of its own chats in lines where "plain" is asked for."""
    model, tuner = write_pair(tmp_path)
    with Memory.open(tmp_path / "memory.db", model=model, tuner=tuner) as memory:
        own, _ = prompt_after(memory, ChatOptions(**SHORT))
        plain, _ = prompt_after(memory, ChatOptions(**SHORT, template="plain"))
    assert own.endswith("user\n")
    assert plain.endswith("User: ")


def test_the_form_of_a_chat_changes_no_stored_vector(memory):
    """Stand-alone text is encoded behind the model's own opening, whatever the chat looks like."""
    before = memory.encoder.encode_query("Ada keeps bees.")
    space = memory.encoder.space
    prompt_after(memory, ChatOptions(**SHORT, speakers=("Q", "A")))
    assert (memory.encoder.encode_query("Ada keeps bees.") == before).all()
    assert memory.encoder.space == space


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"speakers": ("A", "A")}, ValueError, "two different single-line names"),
        ({"template": "{% for %}"}, BackboneError, "not valid Jinja"),
        ({"template": "{{ messages[0]['role'] }}"}, BackboneError, "chat template shows"),
    ],
)
def test_a_form_that_cannot_be_is_refused(memory, options, error, message):
    """Names that are alike, broken Jinja, and a template that drops what is said are errors."""
    with (
        pytest.raises(error, match=message),
        Chat(memory, options=ChatOptions(**SHORT, **options)) as chat,
    ):
        list(chat.say("Hello."))


@pytest.fixture
def cli(monkeypatch, capsys, base_pair):
    """Run commands in this process, with the model without a template."""
    monkeypatch.setenv("LMORT_MODEL", str(base_pair[0]))
    monkeypatch.setenv("LMORT_TUNER", str(base_pair[1]))
    monkeypatch.setenv("LMORT_MAX_TOKENS", "4")
    return Cli(monkeypatch, capsys)


def test_the_command_line_chooses_the_form(cli, tmp_path, monkeypatch):
    """--speakers, --stop and --template are taken, from the settings too."""
    (tmp_path / "mistral.jinja").write_text(MISTRAL)
    for options in (
        ["--speakers", "Q,A", "--stop", "###", "--stop", "\n\n"],
        ["--template", str(tmp_path / "mistral.jinja")],
        ["--template", "plain"],
    ):
        outcome = cli("chat", "--json", *options, stdin="Hello.\n")
        assert outcome.status == 0, outcome.err
        assert json.loads(outcome.out)["ledger"]["user_tokens"] > 0
    assert "two different single-line names" in cli("config", "speakers", "Same,Same").err
    monkeypatch.setenv("LMORT_SPEAKERS", "Same,Same")
    assert "two different single-line names" in cli("chat", stdin="Hello.\n").err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--speakers", "Q"], "give them as User,Assistant"),
        (["--template", "nowhere.jinja"], "cannot read"),
        (["--template", "empty.jinja"], "is empty"),
    ],
)
def test_a_form_that_cannot_be_is_one_line_on_stderr(cli, tmp_path, monkeypatch, options, message):
    """A missing or empty file, or one name alone, is status 1 and says what to give."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty.jinja").write_text("\n")
    outcome = cli("chat", *options, stdin="Hello.\n")
    assert outcome.status == 1
    assert message in outcome.err
