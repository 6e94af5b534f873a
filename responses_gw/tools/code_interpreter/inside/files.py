"""Files of the working directory: listed, read and written inside the sandbox, so that links and
dots lead nowhere else than the session's own code could go."""

from __future__ import annotations

import errno
import os
import stat

__all__ = ["MOST_FILES", "changed_files", "list_files", "read_piece", "write_piece"]

MOST_FILES = 500
_scandir, _open, _fstat = os.scandir, os.open, os.fstat
_pread, _pwrite, _close = os.pread, os.pwrite, os.close

Listing = dict[str, tuple[int, int]]
"""Size and time of change by the path below the working directory."""


def list_files(root: str) -> Listing:
    """The first :data:`MOST_FILES` regular files; links are not followed."""
    found: Listing = {}
    folders = [root]
    while folders and len(found) < MOST_FILES:
        try:
            with _scandir(folders.pop()) as entries:
                for entry in entries:
                    if len(found) >= MOST_FILES or len(folders) > MOST_FILES:
                        break
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
                    elif entry.is_file(follow_symlinks=False):
                        status = entry.stat(follow_symlinks=False)
                        found[entry.path[len(root) + 1 :]] = (status.st_size, status.st_mtime_ns)
        except OSError:
            continue  # gone, closed to us, or its name has become too long
    return found


def changed_files(before: Listing, after: Listing) -> list[tuple[str, int]]:
    return [(path, seen[0]) for path, seen in after.items() if before.get(path) != seen]


def read_piece(root: str, path: str, offset: int, size: int) -> tuple[bytes, int]:
    """Bytes of a regular file and its whole size. Raises ``OSError``."""
    file = _open(os.path.join(root, path), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        status = _fstat(file)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "not a regular file")
        return _pread(file, size, offset), status.st_size
    finally:
        _close(file)


def write_piece(root: str, path: str, offset: int, data: bytes) -> None:
    """Write into a file, a new one when ``offset`` is 0, with its folders. Raises ``OSError``."""
    target = os.path.join(root, path)
    os.makedirs(os.path.dirname(target), exist_ok=True)
    flags = os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK
    if offset == 0:
        if os.path.islink(target) or os.path.isfile(target):
            os.unlink(target)
        flags |= os.O_CREAT | os.O_EXCL
    file = _open(target, flags, 0o600)
    try:
        rest = memoryview(data)
        while rest:
            written = _pwrite(file, rest, offset)
            rest, offset = rest[written:], offset + written
    finally:
        _close(file)
