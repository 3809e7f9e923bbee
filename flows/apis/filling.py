"""Secrets in the ``auth`` of a record: placeholders filled in, and remembered so that nobody sees them.

``{{ secrets.name }}`` is the only thing that is filled in here; a secret never passes through a template.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

Secrets = Callable[[str], str]
OAuthSpec = Mapping[str, Any]


_placeholder = re.compile(r"\{\{ *secrets\.([A-Za-z][A-Za-z0-9_]{0,63}) *\}\}")


class Filling:
    """Fills texts and remembers what must not be seen afterwards.

    Shapes: ``used`` holds each secret, and each text that was made with one.
    """

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets
        self.used: set[str] = set()

    def fill(self, text: Any) -> str:
        """Replace each ``{{ secrets.name }}``. Raises what the look-up raises."""

        def value(found: re.Match[str]) -> str:
            secret = str(self._secrets(found[1]))
            self.used.add(secret)
            return secret

        return _placeholder.sub(value, "" if text is None else str(text))

    def hide(self, text: Any) -> str:
        """Fill, and keep the whole: a credential written out is as secret as one by name."""
        filled = self.fill(text)
        if filled:
            self.used.add(filled)
        return filled
