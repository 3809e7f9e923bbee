"""What a customer can tap in a content, the raw interactive object included."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    id: str
    title: str
    description: str = ""


def no_options(_: Mapping[str, Any]) -> list[Option]:
    return []


def button_options(content: Mapping[str, Any]) -> list[Option]:
    return [option for entry in _list(content.get("buttons")) for option in _option(entry)]


def list_options(content: Mapping[str, Any]) -> list[Option]:
    sections = [section for section in _list(content.get("sections")) if isinstance(section, Mapping)]
    return [option for section in sections for row in _list(section.get("rows")) for option in _option(row)]


def carousel_options(content: Mapping[str, Any]) -> list[Option]:
    cards = [card for card in _list(content.get("cards")) if isinstance(card, Mapping)]
    return [option for card in cards for option in button_options(card)]


def raw_options(content: Mapping[str, Any]) -> list[Option]:
    raw = content.get("interactive")
    known = as_known(raw) if isinstance(raw, Mapping) and isinstance(raw.get("type"), str) else None
    if known is None:
        return []
    return list_options(known) if known["type"] == "list" else button_options(known)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _option(entry: Any) -> Iterator[Option]:
    if isinstance(entry, Mapping) and isinstance(entry.get("id"), str):
        title = entry.get("title")
        description = entry.get("description")
        yield Option(
            id=entry["id"],
            title=title if isinstance(title, str) else entry["id"],
            description=description if isinstance(description, str) else "",
        )


def as_known(raw: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return a raw button or list message as this language's own content, as far as it is one."""
    action = raw.get("action")
    if raw["type"] not in ("button", "list") or not isinstance(action, Mapping):
        return None
    body = raw.get("body")
    text = body.get("text") if isinstance(body, Mapping) else None
    if raw["type"] == "list":
        return {
            "type": "list",
            "body": text,
            "button": action.get("button"),
            "sections": action.get("sections"),
        }
    buttons = action.get("buttons")
    return {
        "type": "buttons",
        "body": text,
        "buttons": [_raw_button(button) for button in buttons] if isinstance(buttons, list) else buttons,
    }


def _raw_button(button: Any) -> Any:
    return button.get("reply") if isinstance(button, Mapping) else button
