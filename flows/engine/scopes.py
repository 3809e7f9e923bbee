"""What expressions can name: the reserved roots and the session's variables, looked up when asked."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

Lookup = Callable[[str], object]


class Scope(Mapping[str, object]):
    """The names of one frame at one moment; `look_up` raises KeyError for a name that is not there."""

    __slots__ = ("_known", "_look_up", "context", "language", "now")

    def __init__(self, look_up: Lookup, *, now: datetime, language: str) -> None:
        self._look_up = look_up
        self._known: dict[str, object] = {}
        self.now = now
        self.language = language
        self.context: Any = None

    def __getitem__(self, name: str) -> object:
        if name not in self._known:
            self._known[name] = self._look_up(name)
        return self._known[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)

    def __bool__(self) -> bool:
        """Stay true while nothing was asked yet: the library drops an empty mapping."""
        return True
