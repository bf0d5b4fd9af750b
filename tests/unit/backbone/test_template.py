"""Chat templates: split at contents, the user's opening, refusals."""

import pytest

from lmort_memory import BackboneError
from lmort_memory.backbone.template import ChatTemplate, Piece
from lmort_memory.testing.tiny_gguf import CHATML
from tests.support.templates import GEMMA, LLAMA_3, MISTRAL


@pytest.mark.parametrize(
    ("source", "opening"),
    [
        (CHATML, "<|im_start|>user\n"),
        (LLAMA_3, "<|start_header_id|>user<|end_header_id|>\n\n"),
        (GEMMA, "<start_of_turn>user\n"),
        (MISTRAL, "[INST] "),
        (None, "User: "),
    ],
)
def test_the_opening_of_a_user_turn(source, opening):
    """The prefix of stand-alone text is what opens a user's turn in the middle of a chat."""
    assert ChatTemplate(source, bos="<s>", eos="</s>").user_opening == opening


def test_contents_are_holes_in_the_template():
    """Only the template's own text comes out as text; each content is a reference."""
    pieces = ChatTemplate(CHATML).pieces(["user", "assistant"], reply=True)
    assert pieces == [
        Piece("<|im_start|>user\n"),
        Piece("", 0),
        Piece("<|im_end|>\n<|im_start|>assistant\n"),
        Piece("", 1),
        Piece("<|im_end|>\n<|im_start|>assistant\n"),
    ]


def test_templates_that_refuse_a_system_message_are_known():
    """Gemma raises for one, ChatML takes one."""
    assert ChatTemplate(CHATML).takes_system
    assert not ChatTemplate(GEMMA, bos="<bos>").takes_system


def test_a_refused_order_of_roles_is_an_error():
    """What the template raises reaches the caller with the roles that it was given."""
    with pytest.raises(BackboneError, match=r"user, user.*must alternate"):
        ChatTemplate(GEMMA).pieces(["user", "user"], reply=True)


@pytest.mark.parametrize(
    "source",
    [
        "{% for m in messages %}{{ m['role'] }}{% endfor %}",
        "{{ messages[0]['content'] }}{{ messages[0]['content'] }}",
    ],
)
def test_a_template_that_loses_or_doubles_content_is_refused(source):
    """Every content must come out exactly once."""
    with pytest.raises(BackboneError, match="chat template shows"):
        ChatTemplate(source).pieces(["user"], reply=True)


def test_templates_are_untrusted():
    """Broken Jinja is an error, and the sandbox keeps Python's insides out of reach."""
    with pytest.raises(BackboneError, match="not valid Jinja"):
        ChatTemplate("{% for %}")
    escape = "{{ messages.__class__.__mro__[1].__subclasses__() }}{{ messages[0]['content'] }}"
    with pytest.raises(BackboneError, match="refuses"):
        ChatTemplate(escape).pieces(["user"], reply=True)


def rendered(template, roles):
    """Return a conversation with … for each content, up to the opening of a reply."""
    return "".join(piece.text or "…" for piece in template.pieces(roles, reply=True))


def test_a_model_without_template_chats_in_plain_lines():
    """User and assistant lines, and the stops that end a reply."""
    template = ChatTemplate(None)
    roles = ["system", "user", "assistant", "user"]
    assert rendered(template, roles) == "…\n\nUser: …\nAssistant: …\nUser: …\nAssistant:"
    assert template.stops == ("\nUser:", "\nAssistant:")
    assert ChatTemplate(CHATML).stops == ()


def test_the_speakers_of_plain_lines_can_be_named():
    """Names stand before the lines, in the stops, and are text even where they look like Jinja."""
    template = ChatTemplate(None, speakers=("Q", "{{ bos_token }}"), bos="<s>")
    assert rendered(template, ["user"]) == "Q: …\n{{ bos_token }}:"
    assert template.stops == ("\nQ:", "\n{{ bos_token }}:")
    assert template.user_opening == "Q: "


@pytest.mark.parametrize("speakers", [("A", "A"), ("", "B"), ("A", " "), ("A\nB", "C")])
def test_speakers_must_be_told_apart(speakers):
    """Two names that are alike, empty, or of several lines are the caller's mistake."""
    with pytest.raises(ValueError, match="two different single-line names"):
        ChatTemplate(None, speakers=speakers)


def test_the_generation_tag_of_transformers_is_known():
    """What a template marks as the model's to learn is rendered like the rest of it."""
    marked = CHATML.replace(
        "{% for", "{%- generation -%}{%+ endgeneration %}{% generation %}{% for"
    ).replace("{% endfor %}", "{% endfor %}{%- endgeneration -%}", 1)
    roles = ["user", "assistant"]
    assert rendered(ChatTemplate(marked), roles) == rendered(ChatTemplate(CHATML), roles)


@pytest.mark.parametrize(
    "source",
    [
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        "{% set n=namespace(s='ab') %}{% for i in range(99) %}{% set n.s=n.s ~ n.s %}{% endfor %}",
        "{% set n=namespace(s='ab') %}{% for i in range(99) %}{% set n.s=n.s + n.s %}{% endfor %}",
        "{{ 'ab' * 10 ** 9 }}",
        "{{ 9 ** 9 ** 9 }}",
        "{{ 1 / 0 }}",
        "{% macro again() %}{{ again() }}{% endmacro %}{{ again() }}",
        "{{ '%9999999999d' % 1 }}",
    ],
)
def test_a_template_cannot_hang_or_eat_the_memory(source):
    """A hostile template ends with our error, soon, whatever it tries."""
    with pytest.raises(BackboneError, match="chat template"):
        ChatTemplate(source).pieces(["user"], reply=True)


def test_loops_know_their_length():
    """Templates ask a loop for its length and its last item; counting does not take that away."""
    source = (
        "{% for m in messages %}{{ m['content'] }}{{ loop.index ~ '/' ~ loop.length }}"
        "{% if loop.last %}!{% endif %}{% endfor %}"
    )
    texts = [
        piece.text for piece in ChatTemplate(source).pieces(["user", "assistant"], reply=False)
    ]
    assert texts == ["", "1/2", "", "2/2!"]
