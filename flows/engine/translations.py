"""Texts of a flow in other languages: the keys they go by, and contents with them put in.

A key is the step, the holder unless it is the step's content, and the place in the content, with the ids of
options instead of numbers: `pick.body`, `pick.rows.scrambler.title`, `day.retry.body`, `day.remind.1.body`.
In a list of contents each has its number: `pick.2.body`. Sections and cards go by number, from 1.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from flows.engine.faults import Path

_TEXT_KEYS = ("body", "caption", "header", "footer", "button", "text", "cta", "name", "address")
_OPTION_KEYS = ("title", "description")


def text_places(content: Mapping[str, Any]) -> Iterator[tuple[str, Path]]:
    """Yield the key within its content, and the path, of each text that has a translation."""
    for key in _TEXT_KEYS:
        if isinstance(content.get(key), str) and not (key == "name" and content.get("type") == "template"):
            yield key, (key,)
    yield from _options(content, "buttons", "buttons", ())
    for number, section in _records(content.get("sections")):
        if isinstance(section.get("title"), str):
            yield f"sections.{number + 1}.title", ("sections", number, "title")
        yield from _options(section, "rows", "rows", ("sections", number))
    for number, card in _records(content.get("cards")):
        for key in ("body", "text"):
            if isinstance(card.get(key), str):
                yield f"cards.{number + 1}.{key}", ("cards", number, key)
        yield from _options(card, "buttons", f"cards.{number + 1}.buttons", ("cards", number))


def _options(holder: Mapping[str, Any], name: str, key: str, path: Path) -> Iterator[tuple[str, Path]]:
    for number, option in _records(holder.get(name)):
        for part in _OPTION_KEYS:
            if isinstance(option.get(part), str):
                yield f"{key}.{option.get('id')}.{part}", (*path, name, number, part)


def _records(value: Any) -> Iterator[tuple[int, Mapping[str, Any]]]:
    if isinstance(value, list):
        yield from ((number, entry) for number, entry in enumerate(value) if isinstance(entry, Mapping))


def prefixes(holder: str, contents: Sequence[Any]) -> list[str]:
    """Return the prefix of each content of one holder such as `pick` or `pick.retry`."""
    if len(contents) < 2:
        return [holder] * len(contents)
    return [f"{holder}.{number}" for number in range(1, len(contents) + 1)]


def translated(content: Mapping[str, Any], prefix: str, texts: Mapping[str, str]) -> Mapping[str, Any]:
    """Return the content with the texts of one language in their places."""
    if not texts:
        return content
    found = [
        (path, texts[f"{prefix}.{key}"]) for key, path in text_places(content) if f"{prefix}.{key}" in texts
    ]
    if not found:
        return content
    copied = _copied(content)
    for path, text in found:
        place = copied
        for part in path[:-1]:
            place = place[part]
        place[path[-1]] = text
    return copied  # type: ignore[no-any-return]  # a copy of a mapping


def _copied(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _copied(entry) for key, entry in value.items()}
    return [_copied(entry) for entry in value] if isinstance(value, list) else value
