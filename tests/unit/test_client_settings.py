"""The settings of MCP clients: our entry goes in and out, and all else stays."""

import json

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as options
from hypothesis import strategies as st

from lmort_memory.adapters.hooks import read_event
from lmort_memory.cli.clients.edit import edited, hooked, write
from lmort_memory.cli.clients.jsonc import parse, remove, set_member
from lmort_memory.cli.clients.table import CLIENTS

SETTINGS = """\
// Settings of mine
{
  "theme": "dark", // by night
  /* servers */ "context_servers": {
    "other": {"command": "x", "args": ["a//b", "{"]}, // keep this
  },
  "font": 14
}
"""


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        '{"a": 1}',
        SETTINGS,
        '{"mcpServers": {}}',
        '{\n  "a": [1, 2], // x\n}\n',
        '{"context_servers": {"other": {}}}',
    ],
)
@pytest.mark.parametrize("name", [name for name, client in CLIENTS.items() if not client.toml])
def test_an_entry_goes_in_and_out(name, text, tmp_path):
    """Written twice it stands there once; removed, the settings say what they said before."""
    client = CLIENTS[name]
    entry = client.entry("/bin/lmort-mem", ["mcp"])
    path = tmp_path / "settings.json"
    once = edited(client, path, text, entry)
    assert edited(client, path, once, entry) == once
    assert parse(once)[client.key]["lmort-memory"] == entry
    without = parse(edited(client, path, once, None))
    expected = parse(text) if text else {}
    assert {k: v for k, v in without.items() if v != {}} == {
        k: v for k, v in expected.items() if v != {}
    }


def test_comments_and_layout_stay():
    """Every line that is not ours is there afterwards, comments included."""
    after = set_member(SETTINGS, ["context_servers", "lmort-memory"], {"command": "y"})
    assert all(line in after.splitlines() for line in SETTINGS.splitlines())
    without = remove(after, ["context_servers", "lmort-memory"])
    assert parse(without) == parse(SETTINGS)
    assert all(comment in without for comment in ("// Settings of mine", "// by night", "// keep"))


def test_toml_goes_in_and_out(tmp_path):
    """Codex's TOML keeps its other tables and comments."""
    text = '# mine\nmodel = "x"\n\n[mcp_servers.other]\ncommand = "y"\n'
    client, path = CLIENTS["codex"], tmp_path / "config.toml"
    once = edited(client, path, text, client.entry("/bin/lmort-mem", ["mcp"]))
    assert once.startswith(text)
    assert edited(client, path, once, None) == text


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@options(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # nothing is timed here
@given(st.dictionaries(st.text(), JSON, max_size=4), st.sampled_from([None, 2]))
def test_any_object_keeps_its_other_members(settings, indent):
    """Whatever the settings hold, setting and removing a member changes nothing else."""
    settings.pop("k", None)
    text = json.dumps(settings, indent=indent)
    after = set_member(text, ["k", "n"], {"v": 1})
    assert parse(after) == {**settings, "k": {"n": {"v": 1}}}
    assert remove(after, ["k", "n"]) == text


def test_a_file_keeps_its_mode(tmp_path):
    """A rewritten file is as private or as open as it was."""
    path = tmp_path / "s.json"
    path.write_text("{}")
    path.chmod(0o640)
    write(path, '{"a": 1}')
    assert path.stat().st_mode & 0o777 == 0o640


AGENTS = [name for name, client in CLIENTS.items() if client.hooks is not None]
# Settings as people have them: none, others of the same moment, comments, tabs, commas.
HOOKS = [
    "",
    "{}",
    '{"model": "x"}',
    '{\n  "hooks": {\n    "Stop": [\n'
    '      {"hooks": [{"type": "command", "command": "say done"}]}\n    ]\n  } // mine\n}\n',
    '{"hooks": {"SessionStart": [{"hooks": [{"type": "command", "command": "./a.sh"}]}]}}',
    '{\n\t"hooks": {\n\t\t"SessionEnd": [\n'
    '\t\t\t{"matcher": "clear", "hooks": []},\n\t\t],\n\t},\n}\n',
]


@pytest.mark.parametrize("text", HOOKS)
@pytest.mark.parametrize("name", AGENTS)
def test_hooks_go_in_and_out(name, text, tmp_path):
    """Every moment gets our command once, beside what was there; taken out, no byte differs."""
    hooks, path = CLIENTS[name].hooks, tmp_path / "settings.json"
    once = hooked(hooks, path, text, "/my bin/lmort-mem hook {}".format)
    assert hooked(hooks, path, once, "/my bin/lmort-mem hook {}".format) == once
    for moment, ours in hooks.moments.items():
        said = [h["command"] for g in parse(once)["hooks"][moment] for h in g["hooks"]]
        assert said.count(f"/my bin/lmort-mem hook {ours}") == 1
    assert hooked(hooks, path, once, None) == (text or "{}\n")


def test_hooks_follow_the_program(tmp_path):
    """A second installation, from another place or for another scope, replaces the first."""
    hooks, path = CLIENTS["claude-code"].hooks, tmp_path / "settings.json"
    old = hooked(hooks, path, HOOKS[3], "'/old place/lmort-mem' hook {}".format)
    new = hooked(hooks, path, old, "/new/lmort-mem hook {} --scope work".format)
    assert "/old place" not in new
    assert new.count("lmort-mem") == len(hooks.moments)


def test_hooks_are_those_that_the_program_knows():
    """Each agent's names of its moments are read by `lmort-mem hook` as the moments we mean."""
    for name in AGENTS:
        assert {
            moment: read_event(json.dumps({"hook_event_name": moment}).encode()).kind
            for moment in CLIENTS[name].hooks.moments
        } == dict(CLIENTS[name].hooks.moments)
