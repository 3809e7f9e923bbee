"""What WhatsApp asks of each kind of content; `content.py` has the table of kinds."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from flows.engine.limits import LIMITS
from flows.engine.links import why_not_public
from flows.engine.taps import as_known

MEDIA_SOURCES = ("link", "media", "asset")
HEADER_MEDIA = ("image", "video", "document")

Path = tuple[str | int, ...]
Problem = tuple[Path, str, str]
_LIQUID = re.compile(r"\{\{|\{%")
_MARKDOWN = re.compile(r"[*_~`]")
_TEMPLATE_NAME = re.compile(r"[a-z0-9_]+")
_BAD_PARAMETER = re.compile(r"[\n\r\t]| {5}")


class Check:
    """Collects what is wrong with one content; texts with Liquid in them have no length yet."""

    def __init__(self, content: Mapping[str, Any], *, has_templates: bool) -> None:
        self.content = content
        self.has_templates = has_templates
        self.problems: list[Problem] = []

    def add(self, path: Path, code: str, message: str) -> None:
        self.problems.append((path, code, message))

    def is_open(self, value: Any) -> bool:
        return self.has_templates and isinstance(value, str) and _LIQUID.search(value) is not None

    def text(self, value: Any, path: Path, limit: str, *, may_be_empty: bool = False) -> str | None:
        """Check one text and return it when it can be judged further."""
        if not isinstance(value, str):
            self.add(path, "WF102", f"expected a text, got {kind_of(value)}")
        elif self.is_open(value):
            return None
        elif not value.strip() and not may_be_empty:
            self.add(path, "WF304", "the text is empty")
        elif len(value) > LIMITS[limit]:
            self.add(path, "WF301", f"{len(value)} characters; WhatsApp allows {LIMITS[limit]}")
        else:
            return value
        return None

    def key_text(self, key: str, limit: str) -> None:
        if key in self.content:
            self.text(self.content[key], (key,), limit)

    def optional_text(self, key: str, limit: str) -> None:
        if self.content.get(key) is not None:
            self.text(self.content[key], (key,), limit, may_be_empty=True)

    def entries(self, value: Any, path: Path, most: str, least: int = 1) -> list[Any]:
        if not isinstance(value, list):
            self.add(path, "WF102", f"expected a list, got {kind_of(value)}")
            return []
        if not least <= len(value) <= LIMITS[most]:
            self.add(path, "WF302", f"{len(value)} entries; WhatsApp allows {least} to {LIMITS[most]}")
        return value

    def record(
        self, value: Any, path: Path, required: tuple[str, ...], optional: tuple[str, ...] = ()
    ) -> bool:
        if not isinstance(value, Mapping):
            self.add(path, "WF102", f"expected an object, got {kind_of(value)}")
            return False
        for key in required:
            if key not in value:
                self.add(path, "WF104", f'the key "{key}" is missing')
        for key in value:
            if key not in required and key not in optional:
                self.add((*path, key), "WF101", f'unknown key "{key}"')
        return True

    def unique(self, values: list[tuple[Path, Any]], what: str) -> None:
        seen: set[str] = set()
        for path, value in values:
            if not isinstance(value, str) or self.is_open(value):
                continue
            if value in seen:
                self.add(path, "WF303", f"the {what} {value!r} stands twice")
            seen.add(value)


def kind_of(value: Any) -> str:
    names = {bool: "true or false", int: "a number", float: "a number", str: "a text", list: "a list"}
    return "null" if value is None else names.get(type(value), "an object")


def check_text(check: Check) -> None:
    check.key_text("body", "text.body")
    if not isinstance(check.content.get("preview_url", False), bool):
        check.add(("preview_url",), "WF102", "expected true or false")


def check_media(check: Check) -> None:
    _check_source(check, check.content, ())
    check.optional_text("caption", "caption")
    check.optional_text("filename", "filename")


def _check_source(check: Check, record: Mapping[str, Any], path: Path) -> None:
    given = [key for key in MEDIA_SOURCES if key in record]
    if len(given) != 1:
        check.add(path, "WF104" if not given else "WF107", "give exactly one of link, media and asset")
    for key in given:
        value = check.text(record[key], (*path, key), "url")
        if key == "link" and value is not None:
            _check_link(check, value, (*path, key))


def _check_link(check: Check, url: str, path: Path) -> None:
    reason = why_not_public(url)
    if reason:
        check.add(path, "WF311", f"{reason}; Meta fetches it from the public internet by https")


def check_location(check: Check) -> None:
    for key, most in (("latitude", 90), ("longitude", 180)):
        value = check.content.get(key)
        if value is None or check.is_open(value):
            continue
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not -most <= value <= most:
            check.add((key,), "WF106", f"expected a number from -{most} to {most}, got {value!r}")
    for key in ("name", "address"):
        check.optional_text(key, "body")


def check_contacts(check: Check) -> None:
    for number, entry in enumerate(check.entries(check.content.get("contacts"), ("contacts",), "contacts")):
        name = entry.get("name") if isinstance(entry, Mapping) else None
        if not isinstance(name, Mapping) or not name.get("formatted_name"):
            check.add(("contacts", number), "WF104", "a contact needs name.formatted_name")


def _check_frame(check: Check, body: str = "body", *, is_text_header: bool = False) -> None:
    check.key_text("body", body)
    check.optional_text("footer", "footer")
    header = check.content.get("header")
    if isinstance(header, Mapping) and not is_text_header:
        _check_media_header(check, header, ("header",))
    elif isinstance(header, Mapping):
        check.add(("header",), "WF304", "only a text header is allowed here")
    elif header is not None:
        check.text(header, ("header",), "header")


def _check_media_header(check: Check, header: Any, path: Path) -> None:
    if not check.record(header, path, ("type",), (*MEDIA_SOURCES, "filename")):
        return
    if header.get("type") not in HEADER_MEDIA:
        check.add((*path, "type"), "WF304", f"expected image, video or document, got {header.get('type')!r}")
    _check_source(check, header, path)


def check_buttons(check: Check) -> None:
    _check_frame(check)
    _check_reply_buttons(check, check.content.get("buttons"), ("buttons",))


def _check_reply_buttons(check: Check, buttons: Any, path: Path) -> None:
    ids: list[tuple[Path, Any]] = []
    titles: list[tuple[Path, Any]] = []
    for number, button in enumerate(check.entries(buttons, path, "buttons")):
        at = (*path, number)
        if not check.record(button, at, ("id", "title")):
            continue
        _check_id(check, button.get("id"), (*at, "id"), "button.id")
        _check_title(check, button.get("title"), (*at, "title"), "button.title")
        ids.append(((*at, "id"), button.get("id")))
        titles.append(((*at, "title"), button.get("title")))
    check.unique(ids, "id")
    check.unique(titles, "title")


def _check_id(check: Check, value: Any, path: Path, limit: str) -> None:
    known = check.text(value, path, limit)
    if known is not None and known != known.strip():
        check.add(path, "WF304", "an id has no white space at its edges")


def _check_title(check: Check, value: Any, path: Path, limit: str) -> None:
    known = check.text(value, path, limit)
    if known is not None and _MARKDOWN.search(known):
        check.add(path, "WF304", "WhatsApp shows no formatting in a button: leave out * _ ~ `")


def check_list(check: Check) -> None:
    _check_frame(check, "list.body", is_text_header=True)
    body = check.content.get("body")
    if (
        isinstance(body, str)
        and LIMITS["body"] < len(body) <= LIMITS["list.body"]
        and not check.is_open(body)
    ):
        check.add(("body",), "WF305", f"{len(body)} characters; older clients show {LIMITS['body']}")
    check.key_text("button", "list.button")
    ids: list[tuple[Path, Any]] = []
    sections = check.entries(check.content.get("sections"), ("sections",), "list.sections")
    for number, section in enumerate(sections):
        at: Path = ("sections", number)
        if not check.record(section, at, ("rows",), ("title",)):
            continue
        _check_section_title(check, section, at, many=len(sections) > 1)
        ids += _check_rows(check, section.get("rows"), (*at, "rows"))
    if len(ids) > LIMITS["list.rows"]:
        allowed = LIMITS["list.rows"]
        check.add(("sections",), "WF302", f"{len(ids)} rows in all; WhatsApp allows {allowed}")
    check.unique(ids, "id")


def _check_section_title(check: Check, section: Mapping[str, Any], at: Path, *, many: bool) -> None:
    title = section.get("title")
    if title is not None or many:
        check.text(title or "", (*at, "title"), "section.title", may_be_empty=not many)


def _check_rows(check: Check, rows: Any, path: Path) -> list[tuple[Path, Any]]:
    ids: list[tuple[Path, Any]] = []
    for number, row in enumerate(check.entries(rows, path, "list.rows")):
        at = (*path, number)
        if not check.record(row, at, ("id", "title"), ("description",)):
            continue
        _check_id(check, row.get("id"), (*at, "id"), "row.id")
        check.text(row.get("title"), (*at, "title"), "row.title")
        if row.get("description") is not None:
            check.text(row["description"], (*at, "description"), "row.description", may_be_empty=True)
        ids.append(((*at, "id"), row.get("id")))
    return ids


def check_cta_url(check: Check) -> None:
    _check_frame(check)
    check.key_text("text", "cta.text")
    url = check.text(check.content.get("url"), ("url",), "url") if "url" in check.content else None
    if url is not None and not url.startswith(("https://", "http://")):
        check.add(("url",), "WF311", "expected an http or https address")


def check_location_request(check: Check) -> None:
    check.key_text("body", "body")


def check_form(check: Check) -> None:
    _check_frame(check)
    check.key_text("cta", "form.cta")
    if not isinstance(check.content.get("data", {}), Mapping) and not check.is_open(check.content["data"]):
        check.add(("data",), "WF102", "expected an object")


def check_product(check: Check) -> None:
    check.optional_text("body", "body")
    check.optional_text("footer", "footer")


def check_product_list(check: Check) -> None:
    _check_frame(check, is_text_header=True)
    total = 0
    sections = check.entries(check.content.get("sections"), ("sections",), "product_list.sections")
    for number, section in enumerate(sections):
        at: Path = ("sections", number)
        if check.record(section, at, ("product_items",), ("title",)):
            _check_section_title(check, section, at, many=len(sections) > 1)
            items = check.entries(
                section.get("product_items"), (*at, "product_items"), "product_list.products"
            )
            total += len(items)
    if total > LIMITS["product_list.products"]:
        check.add(("sections",), "WF302", f"{total} products in all; WhatsApp allows 30")


def check_catalog(check: Check) -> None:
    _check_frame(check)


def check_carousel(check: Check) -> None:
    check.key_text("body", "body")
    cards = check.entries(
        check.content.get("cards"), ("cards",), "carousel.cards", LIMITS["carousel.cards.min"]
    )
    shapes = set()
    for number, card in enumerate(cards):
        at: Path = ("cards", number)
        if check.record(card, at, ("header",), ("body", "buttons", "text", "url")):
            _check_card(check, card, at)
            shapes.add(len(card["buttons"]) if isinstance(card.get("buttons"), list) else "url")
    if len(shapes) > 1:
        check.add(("cards",), "WF304", "all cards need the same kind and number of buttons")


def _check_card(check: Check, card: Mapping[str, Any], at: Path) -> None:
    _check_media_header(check, card.get("header"), (*at, "header"))
    if card.get("body") is not None:
        body = check.text(card["body"], (*at, "body"), "card.body")
        if body is not None and len(body.splitlines()) > LIMITS["card.lines"]:
            check.add((*at, "body"), "WF304", "a card's body may hold two line breaks")
    if "buttons" in card:
        _check_reply_buttons(check, card["buttons"], (*at, "buttons"))
        return
    for key, limit in (("text", "cta.text"), ("url", "url")):
        check.text(card.get(key), (*at, key), limit)


def check_template(check: Check) -> None:
    name = check.text(check.content.get("name"), ("name",), "template.name")
    if name is not None and not _TEMPLATE_NAME.fullmatch(name):
        check.add(("name",), "WF106", "a template's name has lower-case letters, digits and _ only")
    if check.content.get("language") is not None:
        check.text(check.content["language"], ("language",), "header")
    for path, value in _parameters(check.content.get("variables")):
        _check_parameter(check, value, ("variables", *path))
    if check.content.get("header") is not None:
        header = check.content["header"]
        if isinstance(header, Mapping):
            _check_media_header(check, header, ("header",))
        else:
            _check_parameter(check, header, ("header",))
    for key in ("buttons", "components"):
        if key in check.content:
            check.entries(check.content[key], (key,), "template.buttons", 0)


def _parameters(variables: Any) -> Iterator[tuple[Path, Any]]:
    if isinstance(variables, Mapping):
        yield from (((key,), value) for key, value in variables.items())
    elif isinstance(variables, list):
        yield from (((number,), value) for number, value in enumerate(variables))
    elif variables is not None:
        yield ((), variables)


def _check_parameter(check: Check, value: Any, path: Path) -> None:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return
    text = check.text(value, path, "template.parameter")
    if text is not None and _BAD_PARAMETER.search(text):
        check.add(path, "WF505", "a template's value has no line break, no tab and at most 4 spaces in a row")


def check_reaction(check: Check) -> None:
    if not isinstance(check.content.get("emoji", ""), str):
        check.add(("emoji",), "WF102", "expected an emoji as text")


def check_interactive(check: Check) -> None:
    raw = check.content.get("interactive")
    if not isinstance(raw, Mapping) or not isinstance(raw.get("type"), str):
        check.add(("interactive",), "WF102", 'expected a Cloud API "interactive" object with its type')
        return
    known = as_known(raw)
    if known is None:
        return
    inner = Check(known, has_templates=check.has_templates)
    (check_list if known["type"] == "list" else check_buttons)(inner)
    for path, code, message in inner.problems:
        check.add(("interactive", *_raw_path(path)), code, message)


def _raw_path(path: Path) -> Path:
    if path == ("body",):
        return ("body", "text")
    if path[0] == "buttons" and len(path) > 2:
        return ("action", "buttons", path[1], "reply", *path[2:])
    return ("action", *path)
