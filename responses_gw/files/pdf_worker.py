"""The program that reads PDFs, in a process that nobody misses when a file breaks it.

Run by its path, isolated and without an environment, so it must import nothing of ours. For each
PDF it reads a line of JSON (``size`` in bytes, ``max_pages``, ``max_characters``, ``seconds``) and
the file from its input, and writes a line of JSON (``status``, ``pages``, ``size``) and the text.
It ends with its input, on a PDF that takes too much memory, and by a timer of its own on one that
takes too long while nobody is there to kill it. The argument is the limit of its address space.
"""

from __future__ import annotations

import io
import json
import logging
import os
import resource
import signal
import sys
from typing import BinaryIO

import pypdf
from pypdf.errors import DependencyError

GRACE_SECONDS = 5.0
"""Behind the parent's own limit."""

Bounds = dict[str, float]


def main() -> None:
    limit = int(sys.argv[1])
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.nice(5)  # its parent has streams to serve
    for number in (signal.SIGINT, signal.SIGTERM):  # its parent ends it when it drained
        signal.signal(number, signal.SIG_IGN)
    logging.disable(logging.CRITICAL)
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever prints does not print into an answer
    while line := sys.stdin.buffer.readline():
        bounds: Bounds = json.loads(line)
        signal.setitimer(signal.ITIMER_REAL, bounds["seconds"] + GRACE_SECONDS)
        status, pages, text = read(sys.stdin.buffer.read(int(bounds["size"])), bounds)
        signal.setitimer(signal.ITIMER_REAL, 0)
        answer(answers, status, pages, text)
        if status == "too_complex":
            break


def read(data: bytes, bounds: Bounds) -> tuple[str, int, str]:
    """The status, the number of pages and the text."""
    try:
        reader = pypdf.PdfReader(io.BytesIO(data))
        if reader.is_encrypted and not reader.decrypt(""):
            return "encrypted", 0, ""
        pages = len(reader.pages)
        if pages > bounds["max_pages"]:
            return "too_many_pages", pages, ""
        return text_of(reader, pages, bounds["max_characters"])
    except DependencyError:  # a cipher that needs another library
        return "encrypted", 0, ""
    except (MemoryError, RecursionError):
        return "too_complex", 0, ""
    except Exception:  # noqa: BLE001 - a parser of hostile files raises everything
        return "unreadable", 0, ""


def text_of(reader: pypdf.PdfReader, pages: int, most: float) -> tuple[str, int, str]:
    found: list[str] = []
    characters = 0
    has_text = False
    for number, page in enumerate(reader.pages, 1):
        text = page.extract_text().replace("\x00", "").strip()
        has_text = has_text or bool(text)
        found.append(f"[page {number}]\n{text}")
        characters += len(found[-1]) + 2
        if characters > most:
            return "too_long", pages, ""
    return ("ok", pages, "\n\n".join(found)) if has_text else ("no_text", pages, "")


def answer(answers: BinaryIO, status: str, pages: int, text: str) -> None:
    body = text.encode("utf-8", "replace")  # broken fonts give halves of surrogate pairs
    head = {"status": status, "pages": pages, "size": len(body)}
    answers.write(json.dumps(head).encode() + b"\n" + body)
    answers.flush()


if __name__ == "__main__":
    main()
