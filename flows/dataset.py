"""The directory of datasets: which files lie in it, read safely inside its root."""

import hashlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from flows import positions
from flows.positions import MAX_BYTES, Document
from flows.recovery import Problem


@dataclass(frozen=True, kw_only=True)
class Source:
    """A file as it was read: ``name`` is how people know it; ``refusal`` says why it could not be read."""

    name: str
    data: bytes = b""
    refusal: Problem | None = None

    @cached_property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()

    @cached_property
    def document(self) -> Document:
        if self.refusal:
            return Document(text="", value=None, problems=(self.refusal,), is_whole=False)
        return positions.read(self.data)


@dataclass(frozen=True, slots=True)
class Dataset:
    """The files under one root. Names are relative to it, with ``/``."""

    root: Path

    def flow_files(self) -> list[str]:
        return self._json_files("flows")

    def test_files(self) -> list[str]:
        return self._json_files("flows/tests")

    def data_files(self) -> list[str]:
        return self._json_files("data")

    def api_files(self) -> list[str]:
        return self._json_files("apis")

    def api_names(self) -> frozenset[str]:
        return frozenset(Path(name).stem for name in self.api_files())

    def read(self, name: str) -> Source:
        return read_file(self.root / name, name=name, inside=self.root)

    def _json_files(self, folder: str) -> list[str]:
        return [f"{folder}/{path.name}" for path in json_files(self.root / folder)]


def json_files(folder: Path) -> Iterator[Path]:
    """The ``*.json`` of one folder by name; hidden files are an editor's, not the author's."""
    try:
        found = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except (FileNotFoundError, NotADirectoryError):
        return
    for entry in found:
        is_hidden = entry.name.startswith(".")
        if entry.name.lower().endswith(".json") and not is_hidden and not entry.is_dir(follow_symlinks=False):
            yield folder / entry.name


def read_file(path: Path, *, name: str, inside: Path | None = None) -> Source:
    """Read one file; whatever hinders it becomes a problem of the source, never an exception."""
    if inside is not None and not _is_inside(path, inside):
        return _refuse(name, "WF030", f"{path.name} leads out of the dataset", "put the file itself there")
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)  # a named pipe would wait for its writer
        with os.fdopen(descriptor, "rb") as file:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode):
                return _refuse(name, "WF008", "this is no regular file", "put a file there")
            if found.st_size > MAX_BYTES:
                message = f"the file has {found.st_size:,} bytes, at most {MAX_BYTES:,} are read"
                return _refuse(name, "WF006", message, "split it")
            return Source(name=name, data=file.read(MAX_BYTES + 1))
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        return _refuse(name, "WF008", f"the file cannot be read: {reason}", "see its rights and its disk")


def _is_inside(path: Path, root: Path) -> bool:
    try:
        return path.resolve().is_relative_to(root.resolve())
    except (OSError, RuntimeError, ValueError):
        return False


def _refuse(name: str, code: str, message: str, remedy: str) -> Source:
    return Source(name=name, refusal=Problem(code=code, offset=0, path=(), message=message, remedy=remedy))
