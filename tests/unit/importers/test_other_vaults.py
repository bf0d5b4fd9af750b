"""Markdown of other programs than Obsidian, and Obsidian's names in any case."""

from lmort_memory.importers import scan
from tests.support.imports import read_all


def note(path, text):
    """Write a note and return its only turn."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    (turn,) = read_all(path)[0]
    return turn


def test_obsidians_own_properties_count_in_any_case(tmp_path):
    """Obsidian reads Tags, TAG and Aliases as it reads them in small letters."""
    turn = note(tmp_path / "n.md", "---\nTags: [a, true]\nTAG: b\nTitle: Hive\nAlias: h\n---\nx\n")
    assert turn.metadata["tags"] == ["a", "true", "b"]
    assert turn.text == "Hive\n\nx" and turn.metadata["Alias"] == "h"
    assert "Tags" not in turn.metadata


def test_lines_that_logseq_writes_for_itself_are_left_out(tmp_path):
    """Names of blocks, folds and clocks are not words of the user's; the other lines stay."""
    text = (
        "- one\n  id:: 64a1b2c3-1111-2222-3333-444455556666\n  collapsed:: true\n"
        "\t- two\n\t  id:: mine\n- TODO three\n  :LOGBOOK:\n"
        "  CLOCK: [2024-05-01 Wed 10:00:00]\n  :END:\n"
    )
    turn = note(tmp_path / "n.md", text)
    assert turn.text == "n\n\n- one\n\t- two\n\t  id:: mine\n- TODO three"
    _, left_out = read_all(tmp_path)
    assert left_out == {"property of Logseq's own": 3}


def test_older_copies_of_logseq_are_not_imported(tmp_path):
    """What a page said before stays out, and a folder called bak elsewhere does not."""
    for name in ("logseq/bak/pages/a/1.md", "pages/a.md", "bak/b.md"):
        note(tmp_path / name, "x")
    report = scan([tmp_path])
    assert [file.path.relative_to(tmp_path).as_posix() for file in report.files] == [
        "bak/b.md",
        "pages/a.md",
    ]
    assert [item.kind for item in report.passed_over] == ["aside"]


def test_notes_are_called_what_their_programs_call_them(tmp_path):
    """A TextBundle is named by its folder, a page of Notion without its number."""
    page = "Hive 0123456789abcdef0123456789abcdef.md"
    assert note(tmp_path / "Queen.textbundle" / "text.md", "x").text == "Queen\n\nx"
    assert note(tmp_path / page, "# Hive\n\nx").text == "Hive\n\nx"
    assert note(tmp_path / page[5:], "x").text == f"{page[5:-3]}\n\nx"


def test_links_to_pictures_and_to_numbers_are_no_links_to_notes(tmp_path):
    """Joplin's links name no note; a note's name may have a dot."""
    text = "[[a.png]] [[Note 1.2]] [x](:/0123456789abcdef0123456789abcdef) [y](b.md)"
    assert note(tmp_path / "n.md", text).metadata["links"] == ["Note 1.2", "b"]


def test_attributes_and_html_of_a_heading_are_none_of_its_words(tmp_path):
    """Pandoc, Hugo and kramdown name a heading behind it; the name is no tag either."""
    text = (
        '## <span class="todo">TODO</span> Feed {#feed-them .wide n=1}\n\na\n\n'
        '## <a id="q"></a>Queens #bees {: #queens}\n\nb\n\n## The <b> tag of List<T> {#if x}\n\nc\n'
    )
    (tmp_path / "n.md").write_text(text)
    turns, _ = read_all(tmp_path / "n.md")
    assert [turn.text for turn in turns] == [
        "n > TODO Feed\n\na",
        "n > Queens #bees\n\nb",
        "n > The <b> tag of List<T> {#if x}\n\nc",
    ]
    assert [turn.metadata.get("tags") for turn in turns[:2]] == [None, ["bees"]]


def test_shortcodes_of_hugo_link_notes_and_are_no_language(tmp_path):
    """A link by `relref` leads to a note; a section of figures alone asks what none answers."""
    text = (
        '[the hive]({{< relref "yard/hive.md#queen" >}}) stands\n\n## Picture\n\n'
        '{{< figure src="/img/hive 1.png" >}}\n\n## Captioned\n\n'
        '{{% figure src="/img/b.png" caption="The hive by the fence" %}}\n'
    )
    (tmp_path / "n.md").write_text(text)
    turns, left_out = read_all(tmp_path / "n.md")
    assert [turn.metadata.get("headings") for turn in turns] == [None, ["Captioned"]]
    assert turns[0].metadata["links"] == ["yard/hive"]
    assert left_out == {"section without language": 1}


def test_links_of_dendron_begin_with_their_label(tmp_path):
    """In its workspace the note stands behind the bar; elsewhere only its scheme says so."""
    text = "# [[The hive|yard.hive]]\n\n[[docs|yard.queen#age]] ![[dendron://vault/bees]]\n"
    (tmp_path / "dendron.yml").write_text("version: 5\n")
    turn = note(tmp_path / "vault" / "n.md", text)
    assert turn.metadata["links"] == ["yard.hive", "yard.queen", "bees"]
    assert turn.metadata["headings"] == ["The hive"]
    elsewhere = note(tmp_path.parent / "obsidian" / "n.md", "[[a|b]] [[x|dendron://vault/y#z]]")
    assert elsewhere.metadata["links"] == ["a", "y"]


def test_links_and_titles_of_logseq(tmp_path):
    """A label may stand before a page; a block has no name; `title::` names the page."""
    text = (
        "type:: [[Place]]\ntitle:: Yard/Hive\n\n- [the queen]([[Queen]])"
        " [a block](((64a1b2c3-1111-2222-3333-444455556666)))\n"
    )
    turn = note(tmp_path / "Yard___Hive.md", text)
    assert turn.metadata["title"] == "Yard/Hive"
    assert turn.text.startswith("Yard/Hive\n\n")
    assert turn.metadata["links"] == ["Place", "Queen"]
    assert note(tmp_path / "b.md", "a\n\ntitle:: c\n").metadata["title"] == "b"
