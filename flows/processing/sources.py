"""Processor files as text: which there are, whether one changed, and what the syntax tree alone tells."""

import ast
import hashlib
import importlib.util
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flows.processing.contract import DECLARATION, Declaration


@dataclass(frozen=True, slots=True)
class Stamp:
    """What the file system says of a file; another stamp means that it may have changed."""

    modified: int
    changed: int
    size: int
    inode: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A file's text and what it is: a module with functions, a script, or both."""

    path: Path
    text: str
    module_hash: str
    is_script: bool
    is_importable: bool
    lines: Mapping[str, int]
    declaration: Declaration

    @property
    def stem(self) -> str:
        return self.path.stem


def stamps(folder: Path) -> dict[Path, Stamp]:
    """The stamp of every public file. Raises: OSError when the folder cannot be read."""
    found = {}
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.endswith(".py") and not entry.name.startswith(("_", ".")) and entry.is_file():
                stat = entry.stat()
                stamp = Stamp(stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size, stat.st_ino)
                found[folder / entry.name] = stamp
    return found


def file_hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def read(path: Path, content: bytes) -> Source:
    """Parse a file. Raises: SyntaxError, UnicodeDecodeError, ValueError, TypeError (a wrong declaration)"""
    text = importlib.util.decode_source(content)
    tree = ast.parse(text, str(path))
    functions = [node for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    public = [node for node in functions if not node.name.startswith("_")]
    reads_input = any(_reads_input(node) for node in ast.walk(tree))
    has_guard = any(_is_main_guard(node) for node in tree.body)
    return Source(
        path=path,
        text=text,
        module_hash=file_hash(content),
        is_script=reads_input or has_guard or not public,
        is_importable=bool(public) and (has_guard or not reads_input or not _calls_at_top(tree)),
        lines={node.name: node.lineno for node in functions},
        declaration=Declaration(**_declared(tree)),
    )


def _reads_input(node: ast.AST) -> bool:
    """`sys.stdin`, `stdin` or `input(…)`."""
    if isinstance(node, ast.Attribute):
        return node.attr == "stdin"
    return isinstance(node, ast.Name) and node.id in {"stdin", "input"}


def _is_main_guard(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and any(
        isinstance(part, ast.Name) and part.id == "__name__" for part in ast.walk(node.test)
    )


def _calls_at_top(tree: ast.Module) -> bool:
    """Whether importing the file would do something at once, as a script without a guard does."""
    return any(isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) for node in tree.body) or any(
        _reads_input(part)
        for node in tree.body
        if not isinstance(
            node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef | ast.Import | ast.ImportFrom
        )
        for part in ast.walk(node)
    )


def _declared(tree: ast.Module) -> dict[str, Any]:
    """A script's own declaration: `__processor__ = {"effects": "calls"}` at the top of its file."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and any(
            isinstance(target, ast.Name) and target.id == DECLARATION for target in node.targets
        ):
            declared = ast.literal_eval(node.value)
            if not isinstance(declared, dict):
                raise TypeError(f"{DECLARATION}: expected an object of declarations")
            return declared
    return {}
