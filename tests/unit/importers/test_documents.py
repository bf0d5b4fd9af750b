"""Documents: HTML, EPUB, Org, outlines; what PDF and Word need."""

import sys

import pytest

from lmort_memory.errors import ImportFileError, MissingDependencyError
from lmort_memory.importers import read, scan
from lmort_memory.importers.html import decode_html
from tests.support.imports import read_all, write_zip


def texts(turns):
    """Return the texts of turns."""
    return [turn.text for turn in turns]


PAGE = """\
<!-- saved --><!DOCTYPE html><html><head><title>Bees &amp; hives</title>
<style>p {color: red}</style><script>var x = "<p>no</p>";</script></head>
<body><nav><a href="/">Home</a></nav>
<h1>Bees &amp; hives</h1><p>Ada keeps<br>four   hives.</p>
<h2>Winter</h2>
<ul><li>feed<ol><li>sugar</li><li>water</li></ol></li><li>wait</li></ul>
<table><tr><th>Hive</th><th>Queen</th></tr><tr><td><p>North</p></td><td>new</td></tr></table>
<blockquote>Keep calm.</blockquote><pre>  x = 1
  y</pre><img src="a.png" alt="bees"><p hidden>secret</p><p>Bye</body></html>
"""


def test_html_gives_what_a_person_reads(tmp_path):
    """Headings are paths, lists and tables lines; scripts, menus and hidden text are gone."""
    path = tmp_path / "page.html"
    path.write_text(PAGE)
    turns, left_out = read_all(path)
    assert texts(turns) == [
        "Bees & hives\n\nAda keeps\nfour hives.",
        "Bees & hives > Winter\n\n- feed\n  1. sugar\n  2. water\n- wait\n\nHive | Queen\n"
        "North | new\n\n> Keep calm.\n\n  x = 1\n  y\n\nBye",
    ]
    assert turns[1].metadata == {"format": "html", "title": "Bees & hives", "headings": ["Winter"]}
    assert left_out == {"picture": 1}


def test_html_in_the_encodings_of_the_web():
    """A declared charset, a byte order mark and the standard's default are followed."""
    assert decode_html('<meta charset="iso-8859-1"><p>Ørland'.encode("latin-1")).endswith("Ørland")
    assert decode_html("<p>Ørland".encode("utf-16")) == "<p>Ørland"
    assert decode_html("<p>Ørland – now".encode("windows-1252")) == "<p>Ørland – now"  # noqa: RUF001
    assert decode_html("<p>Ørland".encode()) == "<p>Ørland"


def test_text_with_tags_is_no_page(tmp_path):
    """A file that merely has the suffix is of no known format."""
    (tmp_path / "notes.html").write_text("remember the <b>milk</b>")
    assert [item.kind for item in scan([tmp_path]).passed_over] == ["unknown"]


CONTAINER = """<?xml version="1.0"?>
<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container">
<rootfiles><rootfile full-path="OEBPS/book.opf"/></rootfiles></container>"""
PACKAGE = """<?xml version="1.0"?><package xmlns="http://www.idpf.org/2007/opf">
<metadata xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>The Hive</dc:title>
<dc:creator>Ada Moen</dc:creator><dc:date>2020-05-01T12:00:00+00:00</dc:date></metadata>
<manifest><item id="nav" href="nav.xhtml" properties="nav"/>
<item id="two" href="text/two.xhtml"/><item id="one" href="text/one%20a.xhtml"/></manifest>
<spine><itemref idref="nav"/><itemref idref="one"/><itemref idref="two"/></spine></package>"""
BOOK = {
    "mimetype": "application/epub+zip",
    "META-INF/container.xml": CONTAINER,
    "OEBPS/book.opf": PACKAGE,
    "OEBPS/nav.xhtml": "<html><body><p>Contents</p></body></html>",
    "OEBPS/text/two.xhtml": "<html><body><h1>Two</h1><p>Honey.</p></body></html>",
    "OEBPS/text/one a.xhtml": "<html><body><h1>One</h1><p>Bees.</p></body></html>",
}


def test_epub_in_the_order_of_reading(tmp_path):
    """Chapters follow the spine, under title and heading; the table of contents is not text."""
    turns, _ = read_all(write_zip(tmp_path / "hive.epub", BOOK))
    assert texts(turns) == ["The Hive > One\n\nBees.", "The Hive > Two\n\nHoney."]
    assert turns[0].metadata["author"] == "Ada Moen"
    assert turns[0].created_at.isoformat() == "2020-05-01T12:00:00+00:00"


def test_epub_under_copy_protection_says_so(tmp_path):
    """Encrypted chapters are an error, encrypted fonts are none."""
    method = '<encryption><EncryptionMethod Algorithm="{}"/></encryption>'
    fonts = method.format("http://www.idpf.org/2008/embedding")
    open_book = write_zip(tmp_path / "a.epub", {**BOOK, "META-INF/encryption.xml": fonts})
    assert len(read_all(open_book)[0]) == 2
    locked = method.format("http://www.w3.org/2001/04/xmlenc#aes128-cbc")
    with pytest.raises(ImportFileError, match="copy protection"):
        read_all(write_zip(tmp_path / "b.epub", {**BOOK, "META-INF/encryption.xml": locked}))


ORG = """\
#+TITLE: Bees
#+FILETAGS: :garden:
#+DATE: [2024-05-01 Wed 09:30]
# a comment
Before any heading.
* TODO [#A] Feed them :urgent:
:PROPERTIES:
:CREATED: [2024-06-02 Sun 10:00]
:END:
See [[https://example.org][the page]] and [[file:hives.org]].
:LOGBOOK:
CLOCK: [2024-05-01 Wed]
:END:
#+begin_src python
# not a comment
print("* no heading")
#+end_src
** Sugar
Two to one.
* COMMENT Secret
Hidden.
** Below
* Queens
"""


def test_org_headings_tags_and_what_is_left_out(tmp_path):
    """Drawers, comments and silent trees go; tags are inherited, dates are those of the text."""
    path = tmp_path / "bees.org"
    path.write_text(ORG)
    turns, left_out = read_all(path)
    assert texts(turns) == [
        "Bees\n\nBefore any heading.",
        "Bees > TODO Feed them\n\nSee the page and hives.org.\n"
        '# not a comment\nprint("* no heading")',
        "Bees > TODO Feed them > Sugar\n\nTwo to one.",
        "Bees\n\nQueens",
    ]
    assert [turn.metadata.get("tags") for turn in turns[:3]] == [
        ["garden"],
        ["garden", "urgent"],
        ["garden", "urgent"],
    ]
    local = [turn.created_at.astimezone().strftime("%Y-%m-%d %H:%M") for turn in turns[:2]]
    assert local == ["2024-05-01 09:30", "2024-06-02 10:00"]
    assert left_out == {"comment": 1, "drawer": 1, "tree marked COMMENT": 1}


def test_org_headings_without_text_are_kept_unless_others_stand_under_them(tmp_path):
    """One of two headings of a name has nothing below it: it is not in the path of the other's."""
    path = tmp_path / "bees.org"
    path.write_text("* Call Bo\n* Call Bo\n** At nine\n* Feed\n*** Sugar\n")
    turns, _ = read_all(path)
    assert texts(turns) == ["bees\n\nCall Bo", "bees > Call Bo\n\nAt nine", "bees > Feed\n\nSugar"]


def test_pictures_of_org_are_left_out(tmp_path):
    """The path of a picture says nothing, its description does; a heading above one asks."""
    path = tmp_path / "bees.org"
    path.write_text(
        "* Queen\nShe is blue.\n[[file:img/queen 1.png]]\n* Hive\n[[./hive.JPG]]\n"
        "* Yard\n[[file:yard.png][The yard in May]]\n"
    )
    turns, left_out = read_all(path)
    assert texts(turns) == [
        "bees > Queen\n\nShe is blue.",
        "bees > Yard\n\nThe yard in May",
    ]
    assert left_out == {"picture": 2}


OPML = """<?xml version="1.0"?><opml version="2.0"><head><title>Garden</title></head><body>
<outline text="Bees"><outline text="&lt;b&gt;Feed&lt;/b&gt; them" _note="in May">
<outline text="sugar"/></outline></outline>
<outline text="Mow"/><outline text="News" xmlUrl="https://example.org/feed"/></body></opml>"""


def test_opml_branches_and_feeds(tmp_path):
    """A branch is one turn under its heading; feeds are counted."""
    path = tmp_path / "garden.opml"
    path.write_text(OPML)
    turns, left_out = read_all(path)
    assert texts(turns) == ["Garden > Bees\n\n- Feed them\n  in May\n  - sugar", "Garden\n\n- Mow"]
    assert left_out == {"feed": 1}


@pytest.mark.parametrize(
    ("package", "name", "content"),
    [
        ("pypdf", "a.pdf", b"%PDF-1.7\n"),
        ("zstandard", "rollout-a.jsonl.zst", b"\x28\xb5\x2f\xfd"),
    ],
)
def test_a_missing_package_names_its_extra(tmp_path, monkeypatch, package, name, content):
    """A file that needs a package which is not there says what to install."""
    monkeypatch.setitem(sys.modules, package, None)
    path = tmp_path / name
    path.write_bytes(content)
    [file] = scan([path]).files
    with pytest.raises(MissingDependencyError, match=r"lmort-memory\[documents\]"):
        list(read(file))
