"""What a child printed, kept within a bound: the beginning and the end."""

HEAD = 8 * 1024
TAIL = 8 * 1024


class Captured:
    """Bytes written to stdout and stderr, in order; the middle of much is dropped and counted."""

    def __init__(self) -> None:
        self.total = 0
        self._head = bytearray()
        self._tail = bytearray()

    def add(self, data: bytes) -> None:
        self.total += len(data)
        room = HEAD - len(self._head)
        self._head += data[:room] if room > 0 else b""
        if len(data) > room:
            self._tail += data[max(room, 0) :]
            del self._tail[:-TAIL]

    def tail(self, count: int) -> str:
        """The last `count` bytes, as many of them as were kept."""
        kept = bytes(self._head + self._tail)
        return kept[len(kept) - min(count, len(kept)) :].decode("utf-8", errors="replace")

    def take(self) -> str:
        """All that was kept, as text; begin anew."""
        dropped = self.total - len(self._head) - len(self._tail)
        gap = f"\n[… {dropped} bytes more …]\n".encode() if dropped else b""
        text = bytes(self._head + gap + self._tail).decode("utf-8", errors="replace")
        self.total = 0
        self._head.clear()
        self._tail.clear()
        return text
