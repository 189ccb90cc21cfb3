"""A disk that forgets: only what a program has flushed survives a power cut.

Python's flushes are seen at `os.fsync`, and SQLite's through a VFS around its own
(https://www.sqlite.org/vfs.html). A file that was never flushed is empty after the cut, and a name
that was added after the latest flush of its folder is gone.
"""

from __future__ import annotations

import _sqlite3
import ctypes
import os
import stat
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# The path is passed on as a pointer, since SQLite keeps the parameters of its URI after its end.
_OPEN = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p
)
_SYNC = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int)


class _Vfs(ctypes.Structure):
    """``sqlite3_vfs``, version 3."""

    _fields_ = (
        ("version", ctypes.c_int),
        ("file_size", ctypes.c_int),
        ("longest_path", ctypes.c_int),
        ("next", ctypes.c_void_p),
        ("name", ctypes.c_char_p),
        ("data", ctypes.c_void_p),
        ("open", _OPEN),
        ("others", ctypes.c_void_p * 15),
    )


class _Methods(ctypes.Structure):
    """``sqlite3_io_methods``, version 3."""

    _fields_ = (
        ("version", ctypes.c_int),
        ("close_read_write_truncate", ctypes.c_void_p * 4),
        ("sync", _SYNC),
        ("others", ctypes.c_void_p * 13),
    )


@dataclass(frozen=True)
class State:
    """What survives a power cut: bytes by file and names by folder, both by inode number."""

    files: dict[int, bytes]
    folders: dict[int, dict[str, tuple[int, bool]]]

    def restore(self, root: int, target: Path) -> None:
        """Restore the folder of the inode ``root`` to ``target``."""
        target.mkdir()
        for name, (inode, is_folder) in self.folders.get(root, {}).items():
            if is_folder:
                self.restore(inode, target / name)
            else:
                (target / name).write_bytes(self.files.get(inode, b""))


@dataclass
class ForgetfulDisk:
    """Watches what is flushed below a folder, and calls ``flushed`` after each flush."""

    flushed: Callable[[State], None]
    _files: dict[int, bytes] = field(default_factory=dict)
    _folders: dict[int, dict[str, tuple[int, bool]]] = field(default_factory=dict)
    _kept: list[Any] = field(default_factory=list)  # what C code points to
    _paths: dict[int, Path] = field(default_factory=dict)

    def flush(self, path: Path) -> None:
        """Record the current state of a file or folder."""
        found = path.stat()
        if stat.S_ISDIR(found.st_mode):
            with os.scandir(path) as entries:
                names = {each.name: (each.inode(), each.is_dir()) for each in entries}
            self._folders[found.st_ino] = names
        else:
            self._files[found.st_ino] = path.read_bytes()
        self.flushed(State(dict(self._files), dict(self._folders)))

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Watch every flush of this process during the block."""
        fsync = os.fsync

        def watched(descriptor: int) -> None:
            fsync(descriptor)
            self.flush(Path(f"/proc/self/fd/{descriptor}").readlink())

        library = ctypes.CDLL(_sqlite3.__file__)
        library.sqlite3_vfs_find.restype = ctypes.c_void_p
        library.sqlite3_vfs_register.argtypes = (ctypes.c_void_p, ctypes.c_int)
        library.sqlite3_vfs_unregister.argtypes = (ctypes.c_void_p,)
        ours = self._vfs_before(library.sqlite3_vfs_find(None))
        library.sqlite3_vfs_register(ctypes.byref(ours), 1)
        try:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(os, "fsync", watched)
                yield
        finally:
            library.sqlite3_vfs_unregister(ctypes.byref(ours))

    def _vfs_before(self, original: int) -> _Vfs:
        theirs = _Vfs.from_address(original)
        ours = _Vfs.from_buffer_copy(theirs)

        def opened(_: int, name: int | None, file: int, flags: int, flags_out: int) -> int:
            code: int = theirs.open(original, name, file, flags, flags_out)
            if code == 0 and name is not None:
                self._paths[file] = Path(os.fsdecode(ctypes.string_at(name)))
                self._watch(file)
            return code

        ours.name, ours.open = b"forgetful", _OPEN(opened)
        self._kept += [ours]
        return ours

    def _watch(self, file: int) -> None:
        """Put our ``sync`` before that of an open file, whose first word points to its methods."""
        pointer = ctypes.c_void_p.from_address(file)
        assert pointer.value is not None
        theirs = _Methods.from_address(pointer.value)
        ours = _Methods.from_buffer_copy(theirs)

        def synced(which: int, flags: int) -> int:
            code: int = theirs.sync(which, flags)
            path = self._paths[which]
            self.flush(path)
            if path.name.endswith("-wal"):  # whose name SQLite keeps from being lost
                self.flush(path.parent)
            return code

        ours.sync = _SYNC(synced)
        self._kept += [ours]
        pointer.value = ctypes.addressof(ours)
