"""Interactive messages as Meta judges them: one function per kind, one row in the table each."""

from collections.abc import Callable
from typing import Any

from flows.engine.content import LIMITS
from simulator.parts import Json, an_address, an_object, items, length, need, one_source, unique
from simulator.refusals import bad_value, missing


def check_interactive(value: Any) -> None:
    """Raises: Refusal."""
    interactive = an_object(value, "interactive")
    kind = need(interactive, "type", "interactive['type']")
    check = INTERACTIVE.get(str(kind))
    if check is None:
        raise bad_value(f"Interactive type {kind} is not supported")
    check(interactive)


def _body(interactive: Json, limit: str = "body", *, required: bool = True) -> None:
    body = interactive.get("body")
    if body is None and not required:
        return
    text = an_object(need(interactive, "body", "interactive['body']"), "interactive['body']").get("text")
    if not text:
        raise missing("interactive['body']['text'] is required")
    length(text, "Body text", limit)


def _footer(interactive: Json) -> None:
    if interactive.get("footer") is not None:
        length(an_object(interactive["footer"], "interactive['footer']").get("text"), "Footer text", "footer")


def _header(interactive: Json, *kinds: str) -> None:
    if interactive.get("header") is None:
        return
    header = an_object(interactive["header"], "interactive['header']")
    kind = header.get("type")
    if kind not in kinds:
        raise bad_value(f"Header type {kind} is not allowed for interactive type {interactive['type']}")
    if kind == "text":
        length(header.get("text"), "Header text", "header")
    else:
        one_source(header.get(kind), f"header['{kind}']")


def _none_of(interactive: Json, *keys: str) -> None:
    for key in keys:
        if interactive.get(key) is not None:
            raise bad_value(f"{key} is not allowed for interactive type {interactive['type']}")


def _action(interactive: Json, name: str = "") -> Json:
    action = an_object(need(interactive, "action", "interactive['action']"), "interactive['action']")
    if name and action.get("name") != name:
        raise bad_value(f"Action name must be {name}")
    return action


def _parameters(action: Json) -> Json:
    return an_object(need(action, "parameters", "action['parameters']"), "action['parameters']")


def _buttons(interactive: Json) -> None:
    _body(interactive)
    _footer(interactive)
    _header(interactive, "text", "image", "video", "document")
    buttons = items(_action(interactive).get("buttons"), "buttons", LIMITS["buttons"])
    replies = [_button_reply(button) for button in buttons]
    unique((reply["id"] for reply in replies), "button reply id")
    unique((reply["title"] for reply in replies), "button title")


def _button_reply(button: Any) -> Json:
    if an_object(button, "buttons").get("type") != "reply":
        raise bad_value("Button type must be reply")
    reply = an_object(need(button, "reply", "button['reply']"), "button['reply']")
    for key, limit in (("id", "button.id"), ("title", "button.title")):
        length(need(reply, key, f"Button {key}"), f"Button {key}", limit)
        if reply[key] != reply[key].strip():
            raise bad_value(f"Button {key} cannot start or end with spaces")
    return reply


def _list(interactive: Json) -> None:
    _body(interactive, "list.body")
    _footer(interactive)
    _header(interactive, "text")
    action = _action(interactive)
    length(need(action, "button", "action['button']"), "Button label", "list.button")
    sections = items(action.get("sections"), "sections", LIMITS["list.sections"])
    rows = [row for section in sections for row in _section_rows(section, several=len(sections) > 1)]
    if len(rows) > LIMITS["list.rows"]:
        raise bad_value(f"Total row count exceed max allowed count: {LIMITS['list.rows']}")
    unique((row["id"] for row in rows), "row id")


def _section_rows(section: Any, *, several: bool) -> list[Any]:
    section = an_object(section, "sections")
    if several:
        need(section, "title", "Section title, when there is more than one section,")
    if section.get("title") is not None:
        length(section["title"], "Section title", "section.title", least=0)
    rows = section.get("rows")
    if not isinstance(rows, list) or not rows:
        raise missing("Section rows is required")
    for row in rows:
        _row(an_object(row, "rows"))
    return rows


def _row(row: Json) -> None:
    length(need(row, "id", "Row id"), "Row id", "row.id")
    length(need(row, "title", "Row title"), "Row title", "row.title")
    if row.get("description") is not None:
        length(row["description"], "Row description", "row.description", least=0)


def _cta_url(interactive: Json) -> None:
    _body(interactive)
    _footer(interactive)
    _header(interactive, "text", "image", "video", "document")
    parameters = _parameters(_action(interactive, "cta_url"))
    length(need(parameters, "display_text", "display_text"), "Display text", "cta.text")
    an_address(need(parameters, "url", "url"), "parameters['url']")


def _location_request(interactive: Json) -> None:
    _none_of(interactive, "header", "footer")
    _body(interactive)
    _action(interactive, "send_location")


def _form(interactive: Json) -> None:
    _body(interactive)
    _footer(interactive)
    parameters = _parameters(_action(interactive, "flow"))
    if parameters.get("flow_message_version") != "3":
        raise bad_value("flow_message_version must be 3")
    if bool(parameters.get("flow_id")) == bool(parameters.get("flow_name")):
        raise missing("Exactly one of flow_id and flow_name is required")
    length(need(parameters, "flow_cta", "flow_cta"), "flow_cta", "form.cta")


def _product(interactive: Json) -> None:
    _none_of(interactive, "header")
    _body(interactive, required=False)
    action = _action(interactive)
    need(action, "catalog_id", "catalog_id")
    need(action, "product_retailer_id", "product_retailer_id")


def _product_list(interactive: Json) -> None:
    need(interactive, "header", "interactive['header']")
    _header(interactive, "text")
    _body(interactive)
    action = _action(interactive)
    need(action, "catalog_id", "catalog_id")
    sections = items(action.get("sections"), "sections", LIMITS["list.sections"])
    products = [an_object(section, "sections").get("product_items") for section in sections]
    count = sum(len(items) for items in products if isinstance(items, list))
    if not 1 <= count <= LIMITS["product_list.products"]:
        raise bad_value(
            f"Invalid product count. Min allowed: 1, Max allowed: {LIMITS['product_list.products']}"
        )


def _named(name: str) -> Callable[[Json], None]:
    def check(interactive: Json) -> None:
        _body(interactive)
        _action(interactive, name)

    return check


def _carousel(interactive: Json) -> None:
    _none_of(interactive, "header", "footer")
    _body(interactive)
    cards = items(_action(interactive).get("cards"), "cards", LIMITS["carousel.cards"])
    if len(cards) < LIMITS["carousel.cards.min"]:
        raise bad_value(
            f"Invalid cards count. Min allowed cards: 2, Max allowed cards: {LIMITS['carousel.cards']}"
        )
    unique((str(an_object(card, "cards").get("card_index")) for card in cards), "card_index")
    for card in cards:
        body = an_object(card.get("body") or {}, "card body").get("text")
        if body is not None:
            length(body, "Card body", "card.body")


def _anything(_interactive: Json) -> None:
    """Payments and calls: their shape is not looked at."""


INTERACTIVE: dict[str, Callable[[Json], None]] = {
    "button": _buttons,
    "list": _list,
    "cta_url": _cta_url,
    "location_request_message": _location_request,
    "flow": _form,
    "product": _product,
    "product_list": _product_list,
    "catalog_message": _named("catalog_message"),
    "address_message": _named("address_message"),
    "voice_call": _named("voice_call"),
    "call_permission_request": _named("call_permission_request"),
    "carousel": _carousel,
    "order_details": _anything,
    "order_status": _anything,
}
