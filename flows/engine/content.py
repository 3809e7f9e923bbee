"""What can be said on WhatsApp: the table of the kinds of content.

Lint, engine, sender and simulator all read this table and the limits beside it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from flows.engine import content_checks as checks
from flows.engine import taps
from flows.engine.content_checks import Check, Problem, kind_of
from flows.engine.limits import LIMITS
from flows.engine.taps import Option

__all__ = [
    "INTERACTIVE",
    "KINDS",
    "LIMITS",
    "MEDIA",
    "Option",
    "check_content",
    "is_free",
    "options",
    "render",
]

# Codes of faults that Meta does not refuse.
NOTICES = frozenset({"WF305"})
MEDIA = ("image", "video", "audio", "document", "sticker")


@dataclass(frozen=True, slots=True, kw_only=True)
class ContentKind:
    """One kind of content: its keys, what checks it and what can be tapped in it."""

    required: frozenset[str]
    optional: frozenset[str]
    check: Callable[["Check"], None]
    options: Callable[[Mapping[str, Any]], list[Option]]


def check_content(content: Any, *, has_templates: bool = False) -> list[Problem]:
    """Return every fault of one content as (path, code, message).

    With `has_templates`, texts that hold Liquid are not measured: their length is known when rendered.
    """
    check = Check(content if isinstance(content, Mapping) else {}, has_templates=has_templates)
    if not isinstance(content, Mapping):
        check.add((), "WF102", f"expected an object, got {kind_of(content)}")
        return check.problems
    name = content.get("type")
    kind = KINDS.get(name) if isinstance(name, str) else None
    if kind is None:
        check.add(("type",), "WF105", f"unknown content type {name!r}")
        return check.problems
    check.record(content, (), ("type", *sorted(kind.required)), tuple(sorted(kind.optional)))
    kind.check(check)
    return check.problems


def options(content: Mapping[str, Any]) -> list[Option]:
    """Return what a customer can tap in this content, in order."""
    kind = KINDS.get(content.get("type", ""))
    return kind.options(content) if kind else []


def is_free(content: Mapping[str, Any]) -> bool:
    """Say whether this content may leave only within 24 hours of the contact's last message."""
    return content.get("type") != "template"


def render(content: Mapping[str, Any], print_text: Callable[[str], str]) -> dict[str, Any]:
    """Return the content with every text printed by `print_text`; the type is never a template."""
    rendered = {key: _render(value, print_text) for key, value in content.items() if not key.startswith("$")}
    if rendered.get("type") == "location":
        rendered |= {key: _number(rendered[key]) for key in ("latitude", "longitude") if key in rendered}
    return rendered


def _render(value: Any, print_text: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return print_text(value)
    if isinstance(value, Mapping):
        return {key: _render(entry, print_text) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_render(entry, print_text) for entry in value]
    return value


def _number(value: Any) -> Any:
    try:
        return float(value) if isinstance(value, str) else value
    except ValueError:
        return value


def _kind(
    check: Callable[[Check], None],
    required: str,
    optional: str = "",
    options: Callable[[Mapping[str, Any]], list[Option]] = taps.no_options,
) -> ContentKind:
    return ContentKind(
        required=frozenset(required.split()),
        optional=frozenset(optional.split()),
        check=check,
        options=options,
    )


_SOURCES = "link media asset"
KINDS: dict[str, ContentKind] = {
    "text": _kind(checks.check_text, "body", "preview_url"),
    "image": _kind(checks.check_media, "", f"{_SOURCES} caption"),
    "video": _kind(checks.check_media, "", f"{_SOURCES} caption"),
    "audio": _kind(checks.check_media, "", f"{_SOURCES} voice"),
    "document": _kind(checks.check_media, "", f"{_SOURCES} caption filename"),
    "sticker": _kind(checks.check_media, "", _SOURCES),
    "location": _kind(checks.check_location, "latitude longitude", "name address"),
    "contacts": _kind(checks.check_contacts, "contacts"),
    "buttons": _kind(checks.check_buttons, "body buttons", "header footer", taps.button_options),
    "list": _kind(checks.check_list, "body button sections", "header footer", taps.list_options),
    "cta_url": _kind(checks.check_cta_url, "body text url", "header footer"),
    "location_request": _kind(checks.check_location_request, "body"),
    "form": _kind(checks.check_form, "body form cta", "screen data header footer"),
    "product": _kind(checks.check_product, "catalog_id product_retailer_id", "body footer"),
    "product_list": _kind(checks.check_product_list, "header body catalog_id sections", "footer"),
    "catalog": _kind(checks.check_catalog, "body", "footer thumbnail_product_retailer_id"),
    "carousel": _kind(checks.check_carousel, "body cards", "", taps.carousel_options),
    "template": _kind(
        checks.check_template, "name", "language variables header buttons components", taps.button_options
    ),
    "reaction": _kind(checks.check_reaction, "emoji"),
    "interactive": _kind(checks.check_interactive, "interactive", "", taps.raw_options),
}
INTERACTIVE = frozenset({"buttons", "list", "cta_url", "location_request", "form", "carousel", "interactive"})
