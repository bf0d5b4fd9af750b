"""What a model writes is read as calls; what is not a call stays text."""

import pytest

from lmort_memory.serve.tools import ToolReader, ToolStyle, call_grammar

HERMES, BARE = ToolStyle(tagged=True, arguments="arguments"), ToolStyle(False, "parameters")


def _read(style, pieces):
    reader = ToolReader(style, ["weather"])
    shown = "".join(reader.feed(piece) for piece in pieces)
    rest, calls = reader.finish()
    return shown + rest, [(call.name, call.arguments) for call in calls]


@pytest.mark.parametrize("step", [1, 3, 1000])
@pytest.mark.parametrize(
    ("style", "written", "text", "calls"),
    [
        (HERMES, "A plain <b>reply</b> <", "A plain <b>reply</b> <", []),
        (
            HERMES,
            'Let me see.\n<tool_call>\n{"name": "weather", "arguments": {"city": "Bodø"}}\n'
            "</tool_call>",
            "Let me see.\n",
            [("weather", '{"city": "Bodø"}')],
        ),
        (
            HERMES,
            '<tool_call>{"name": "weather", "arguments": {}}</tool_call>'
            '<tool_call>{"name": "weather", "arguments": {"x": 1}}</tool_call>',
            "",
            [("weather", "{}"), ("weather", '{"x": 1}')],
        ),
        (HERMES, "<tool_call>not JSON</tool_call>", "<tool_call>not JSON</tool_call>", []),
        (BARE, '{"name": "weather", "parameters": {"a": 1}}', "", [("weather", '{"a": 1}')]),
        (HERMES, '{"name": "weather", "arguments": {}}', "", [("weather", "{}")]),
        (BARE, '{"name": "other"}', '{"name": "other"}', []),
        (BARE, "It rains.", "It rains.", []),
    ],
)
def test_calls_are_told_from_text(style, written, text, calls, step):
    """However the pieces fall, text comes out whole and calls come out as calls."""
    pieces = [written[i : i + step] for i in range(0, len(written), step)]
    assert _read(style, pieces) == (text, calls)


def _tool(name, definition, reference="#/$defs/Place"):
    parameters = {
        "type": "object",
        "properties": {"place": {"$ref": reference}},
        "$defs": {"Place": definition},
    }
    return {"type": "function", "function": {"name": name, "parameters": parameters}}


def test_parameters_of_a_tool_may_refer_to_its_definitions():
    """Each tool's schema is a document of its own: two may define the same name."""
    tools = [_tool("see", {"enum": ["Bodø"]}), _tool("go", {"enum": ["Ørland"]})]
    lines = call_grammar(tools, BARE).splitlines()
    rules = dict(line.split(" ::= ", 1) for line in lines)
    assert rules["ref-arguments-0-place"] != rules["ref-arguments-1-place"]
    places = {rules[rules[f"ref-arguments-{n}-place"]] for n in (0, 1)}
    assert places == {r'"\"Bodø\""', r'"\"Ørland\""'}


def test_parameters_of_a_tool_may_hold_themselves():
    """A reference to the whole means the parameters, not the call around them."""
    rules = dict(
        line.split(" ::= ", 1)
        for line in call_grammar([_tool("see", {"type": "null"}, "#")], BARE).splitlines()
    )
    assert rules["ref-arguments-0-place"] == "ref-arguments-0"
