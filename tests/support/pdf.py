"""Small PDFs, written by hand: real ones, and some that mean harm."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

__all__ = ["bomb", "pdf"]


def pdf(*pages: str) -> bytes:
    """One page for each text, which must be ASCII without parentheses and backslashes."""
    return _document([f"BT /F1 12 Tf 72 720 Td ({text}) Tj ET".encode() for text in pages])


def bomb(megabytes: int) -> bytes:
    """One page whose content is a few kilobytes that grow into megabytes of work."""
    return _document([b"BT /F1 12 Tf " + b"(a) Tj 1 0 Td " * (megabytes * 75_000) + b"ET"])


def _document(contents: Sequence[bytes]) -> bytes:
    pages = range(4, 4 + 2 * len(contents), 2)
    kids = " ".join(f"{number} 0 R" for number in pages)
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(contents)} >>".encode(),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
    ]
    for number, content in zip(pages, contents, strict=True):
        data = zlib.compress(content, 9)
        objects += [
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents {number + 1} 0 R "
            "/Resources << /Font << /F1 3 0 R >> >> >>".encode(),
            b"<< /Length %d /Filter /FlateDecode >>\nstream\n%b\nendstream" % (len(data), data),
        ]
    body, offsets = b"%PDF-1.4\n", []
    for number, content in enumerate(objects, 1):
        offsets.append(len(body))
        body += b"%d 0 obj\n%b\nendobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    return body + (
        b"xref\n0 %d\n0000000000 65535 f \n%btrailer\n<< /Size %d /Root 1 0 R >>\n"
        b"startxref\n%d\n%%%%EOF\n" % (len(objects) + 1, table, len(objects) + 1, len(body))
    )
