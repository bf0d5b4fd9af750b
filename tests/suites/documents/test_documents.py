"""PDF, Word and packed Codex sessions: what needs the extra `documents`."""

import pytest
import zstandard
from pypdf import PdfReader, PdfWriter

from lmort_memory.errors import ImportFileError
from lmort_memory.importers import read, scan
from tests.support.imports import read_all, said, write_zip


def write_pdf(path, pages, *, title="The hive book"):
    """Write a PDF of lines of text, and return its path."""
    objects = ["<< /Type /Catalog /Pages 2 0 R >>"]
    kids = " ".join(f"{4 + 2 * at} 0 R" for at in range(len(pages)))
    objects.append(f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>")
    objects.append("<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>")
    for at, lines in enumerate(pages):
        shown = " T* ".join(f"({line}) Tj" for line in lines)
        stream = f"BT /F1 12 Tf 14 TL 72 720 Td {shown} ET"
        objects.append(
            "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792]"
            f" /Resources << /Font << /F1 3 0 R >> >> /Contents {5 + 2 * at} 0 R >>"
        )
        objects.append(f"<< /Length {len(stream)} >>\nstream\n{stream}\nendstream")
    objects.append(f"<< /Title ({title}) /CreationDate (D:20240501093000Z) >>")
    data, offsets = b"%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        offsets.append(len(data))
        data += f"{number} 0 obj\n{body}\nendobj\n".encode()
    table = "".join(f"{offset:010} 00000 n \n" for offset in offsets)
    tail = f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}trailer\n"
    tail += f"<< /Size {len(objects) + 1} /Root 1 0 R /Info {len(objects)} 0 R >>\n"
    path.write_bytes(data + tail.encode() + f"startxref\n{len(data)}\n%%EOF\n".encode())
    return path


def test_pdf_pages_without_their_headers(tmp_path):
    """Broken lines and words are joined, what stands on every page is left out and counted."""
    hives = ("North", "South", "West")
    pages = [
        ["Hive book", f"Bees of hive {hive} are fee-", f"ding in {hive}.", f"Page {number}"]
        for number, hive in enumerate(hives, 1)
    ]
    turns, left_out = read_all(write_pdf(tmp_path / "a.pdf", [*pages, []]))
    assert [turn.text for turn in turns] == [
        f"The hive book\n\nBees of hive {hive} are feeding in {hive}." for hive in hives
    ]
    assert [turn.metadata["page"] for turn in turns] == [1, 2, 3]
    assert turns[0].created_at.isoformat().startswith("2024-05-01")
    assert left_out == {"header or footer of a page": 6, "page without text": 1}


def test_pdf_that_is_locked_or_damaged_says_so(tmp_path):
    """A password and damage are errors that name the file."""
    plain = write_pdf(tmp_path / "plain.pdf", [["Bees."]])
    writer = PdfWriter(clone_from=PdfReader(plain))
    writer.encrypt("secret", algorithm="RC4-128")
    writer.write(tmp_path / "locked.pdf")
    (tmp_path / "cut.pdf").write_bytes(plain.read_bytes()[:200])
    plain.unlink()
    for file, words in zip(scan([tmp_path]).files, ("damaged", "password"), strict=True):
        with pytest.raises(ImportFileError, match=words):
            list(read(file))


WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
PACKAGE = "http://schemas.openxmlformats.org/package/2006"


def paragraph(text, style=""):
    """Return a paragraph of a Word document."""
    chosen = f'<w:pPr><w:pStyle w:val="{style}"/></w:pPr>' if style else ""
    return f"<w:p>{chosen}<w:r><w:t>{text}</w:t></w:r></w:p>"


def test_docx_headings_tables_and_comments(tmp_path):
    """Headings are paths, a table's rows lines, and the document's own facts are kept."""
    cell = "<w:tc>{}</w:tc>".format
    row = "<w:tr>{}</w:tr>".format(cell(paragraph("North")) + cell(paragraph("new queen")))
    body = paragraph("Hives", "Heading1") + paragraph("Four.") + f"<w:tbl>{row}</w:tbl>"
    name = '<w:name w:val="heading 1"/>'
    styles = f'<w:style w:type="paragraph" w:styleId="Heading1">{name}</w:style>'
    relation = f'<Relationship Id="r1" Type="{OFFICE}/%s" Target="%s"/>'
    path = write_zip(
        tmp_path / "hives.docx",
        {
            "[Content_Types].xml": f'<Types xmlns="{PACKAGE}/content-types">'
            '<Default Extension="xml" ContentType="application/xml"/></Types>',
            "_rels/.rels": f'<Relationships xmlns="{PACKAGE}/relationships">'
            + relation % ("officeDocument", "word/document.xml")
            + "</Relationships>",
            "word/_rels/document.xml.rels": f'<Relationships xmlns="{PACKAGE}/relationships">'
            + relation % ("styles", "styles.xml")
            + "</Relationships>",
            "word/document.xml": f'<w:document xmlns:w="{WORD}"><w:body>{body}</w:body>'
            "</w:document>",
            "word/styles.xml": f'<w:styles xmlns:w="{WORD}">{styles}</w:styles>',
            "word/comments.xml": f'<w:comments xmlns:w="{WORD}"><w:comment w:id="1"/></w:comments>',
            "docProps/core.xml": '<c xmlns:d="http://purl.org/dc/terms/">'
            "<d:creator>Ada</d:creator><d:created>2024-05-01T09:30:00Z</d:created></c>",
        },
    )
    turns, left_out = read_all(path)
    assert [turn.text for turn in turns] == ["hives > Hives\n\nFour.\n\nNorth | new queen"]
    assert turns[0].metadata["author"] == "Ada"
    assert turns[0].created_at.isoformat() == "2024-05-01T09:30:00+00:00"
    assert left_out == {"comment": 1}


def test_packed_codex_sessions(tmp_path):
    """A rollout that Codex has packed is read as the plain one, frame after frame."""
    lines = [
        b'{"type": "session_meta", "timestamp": "2026-08-22T09:00:00Z", "payload": {"id": "s"}}\n',
        b'{"type": "event_msg", "timestamp": "2026-08-22T09:00:00Z", "payload":'
        b' {"type": "user_message", "message": "How many hives?"}}\n',
    ]
    pack = zstandard.ZstdCompressor().compress
    path = tmp_path / "rollout-a.jsonl.zst"
    path.write_bytes(pack(lines[0]) + pack(lines[1]))
    assert said(read_all(path)[0]) == [("user", "How many hives?")]
