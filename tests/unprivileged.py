"""Running as a user who may not read everything, also where the tests run as root."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOBODY = 65_534
IS_ROOT = os.geteuid() == 0


@contextmanager
def unprivileged(folder: Path) -> Iterator[None]:
    """Own everything in the folder, and be nobody in the block if this is root.

    Modules that are imported in the block must have been imported before: nobody may not read them.
    """
    if not IS_ROOT:
        yield
        return
    for path in (folder, *folder.rglob("*")):
        os.chown(path, NOBODY, NOBODY, follow_symlinks=False)
    for path in folder.parents:  # they stay open: other tests need them at the same time
        if not path.stat().st_mode & 1:
            path.chmod(path.stat().st_mode | 0o711)
    os.setegid(NOBODY)
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)


def take_away(path: Path) -> None:
    """Let only root read a file, or enter a folder; call it in the block of `unprivileged`."""
    if not IS_ROOT:
        path.chmod(0)
        return
    os.seteuid(0)
    os.chown(path, 0, 0)
    path.chmod(0o700 if path.is_dir() else 0o600)
    os.seteuid(NOBODY)
