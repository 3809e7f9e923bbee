"""What Meta refuses in `POST /{phone_number_id}/messages`: one function per type, one row in a table each.

Numbers of the limits come from `flows.engine.content`; the words are Meta's. A shape fault is code 100, a
missing part inside an object 131008, a wrong value 131009, a template's parameters 132xxx.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

from flows.engine.content import LIMITS
from simulator.refusals import Refusal, bad_parameter, bad_value, missing

Json = Mapping[str, Any]
CALLBACK_DATA = 512

_PHONE = re.compile(r"\+?[0-9][0-9 ()\-]{3,24}")
_BSUID = re.compile(r"[A-Z]{2}\.(ENT\.)?[A-Za-z0-9]{1,128}")
_TEMPLATE_NAME = re.compile(r"[a-z0-9_]{1,512}")
_LANGUAGE = re.compile(r"[a-z]{2,3}(_[A-Z]{2})?")
_BAD_PARAMETER_TEXT = re.compile(r"[\n\t]| {5,}")


def check_message(body: Any) -> None:
    """Raise the `Refusal` that Meta would answer this request with; return if Meta would take it."""
    if not isinstance(body, Mapping):
        raise bad_parameter("Invalid JSON: the request body must be an object.")
    if body.get("messaging_product") != "whatsapp":
        raise bad_parameter("The parameter messaging_product is required.")
    if "status" in body:
        _check_receipt(body)
        return
    _check_recipient(body)
    _check_common(body)
    kind = str(body.get("type", "text")).lower()
    check = TYPES.get(kind)
    if check is None:
        names = ", ".join(sorted(name.upper() for name in TYPES))
        raise bad_parameter(f'Param type must be one of {{{names}}} - got "{body.get("type")}".')
    if kind not in body:
        raise bad_parameter(f'The parameter {kind} is required for type "{kind}".')
    check(body[kind])


def recipient_of(body: Json) -> tuple[str, str]:
    """Return ("phone", digits) or ("user_id", BSUID); `to` wins when both are given."""
    to = str(body.get("to") or "")
    if to and not _BSUID.fullmatch(to):
        return "phone", re.sub(r"\D", "", to)
    return "user_id", to or str(body["recipient"])


def _check_receipt(body: Json) -> None:
    if body["status"] != "read":
        raise bad_parameter(
            'Param status must be one of {READ} - got "{}".'.replace("{}", str(body["status"]))
        )
    if not isinstance(body.get("message_id"), str):
        raise bad_parameter("The parameter message_id is required.")
    typing = body.get("typing_indicator")
    if typing is not None and (not isinstance(typing, Mapping) or typing.get("type") != "text"):
        raise bad_parameter("Param typing_indicator['type'] must be one of {TEXT}.")


def _check_recipient(body: Json) -> None:
    to, recipient = body.get("to"), body.get("recipient")
    if not to and not recipient:
        raise bad_parameter("The parameter to is required.")
    if to and not (isinstance(to, str) and (_PHONE.fullmatch(to) or _BSUID.fullmatch(to))):
        raise bad_value("Parameter 'to' is not a valid phone number")
    if not to and not (isinstance(recipient, str) and _BSUID.fullmatch(recipient)):
        raise bad_value("Parameter 'recipient' is not a valid business-scoped user ID")
    if body.get("recipient_type", "individual") != "individual":
        raise Refusal(code=131041, details="This phone number is not enabled for groups")


def _check_common(body: Json) -> None:
    token = body.get("biz_opaque_callback_data")
    if token is not None:
        _length(token, "biz_opaque_callback_data", CALLBACK_DATA, least=0, refuse=bad_parameter)
    context = body.get("context")
    if context is not None and not (
        isinstance(context, Mapping) and isinstance(context.get("message_id"), str)
    ):
        raise bad_parameter("The parameter context['message_id'] is required.")


# --- small pieces -----------------------------------------------------------------------------------------


def _length(
    value: Any,
    what: str,
    limit: str | int,
    *,
    least: int = 1,
    refuse: Callable[[str], Refusal] = bad_value,
) -> str:
    most = LIMITS[limit] if isinstance(limit, str) else limit
    if not isinstance(value, str):
        raise bad_parameter(f"Param {what} must be a string.")
    if not least <= len(value) <= most:
        raise refuse(f"{what} length invalid. Min length: {least}, Max length: {most}")
    return value


def _object(value: Any, what: str) -> Json:
    if not isinstance(value, Mapping):
        raise bad_parameter(f"Param {what} must be a JSON object.")
    return value


def _items(value: Any, what: str, most: int) -> list[Any]:
    if value is None:
        raise missing(f"{what} is required")
    if not isinstance(value, list):
        raise bad_parameter(f"Param {what} must be an array.")
    if not 1 <= len(value) <= most:
        raise bad_value(f"Invalid {what} count. Min allowed {what}: 1, Max allowed {what}: {most}")
    return value


def _need(holder: Json, key: str, what: str) -> Any:
    if holder.get(key) in (None, ""):
        raise missing(f"{what} is required")
    return holder[key]


def _unique(values: Iterable[str], what: str) -> None:
    seen = list(values)
    if len(set(seen)) != len(seen):
        raise bad_value(f"Duplicate {what}")


def _url(value: Any, what: str) -> str:
    parts = urlsplit(value) if isinstance(value, str) else None
    if parts is None or parts.scheme not in ("http", "https") or not parts.hostname:
        raise bad_parameter(f"Param {what} is not a valid URI.")
    return str(value)


def _one_source(value: Any, what: str) -> Json:
    media = _object(value, what)
    if bool(media.get("id")) == bool(media.get("link")):
        raise bad_parameter(f"Param {what} must have exactly one of the parameters id and link.")
    if media.get("link"):
        _url(media["link"], f"{what}['link']")
    elif not isinstance(media["id"], str):
        raise bad_parameter(f"Param {what}['id'] must be a string.")
    return media


# --- message types ----------------------------------------------------------------------------------------


def _text(value: Any) -> None:
    text = _object(value, "text")
    if not isinstance(text.get("body"), str) or not text["body"]:
        raise bad_parameter("The parameter text['body'] is required.")
    if len(text["body"]) > LIMITS["text.body"]:
        raise bad_parameter(f"Param text['body'] must be at most {LIMITS['text.body']} characters long.")
    if not isinstance(text.get("preview_url", False), bool):
        raise bad_parameter("Param text['preview_url'] must be a boolean.")


def _media(kind: str, *, caption: bool) -> Callable[[Any], None]:
    def check(value: Any) -> None:
        media = _one_source(value, kind)
        if "caption" in media and not caption:
            raise bad_parameter(f'Unexpected key "caption" on param "{kind}".')
        if media.get("caption") is not None:
            _length(media["caption"], f"{kind}['caption']", "caption", least=0, refuse=bad_parameter)

    return check


def _location(value: Any) -> None:
    location = _object(value, "location")
    for key, edge in (("latitude", 90), ("longitude", 180)):
        try:
            degrees = float(_need(location, key, f"location['{key}']"))
        except (TypeError, ValueError):
            raise bad_parameter(f"Param location['{key}'] must be a number.") from None
        if not -edge <= degrees <= edge:
            raise bad_value(f"{key} must be between -{edge} and {edge}")


def _contacts(value: Any) -> None:
    for card in _items(value, "contacts", LIMITS["contacts"]):
        name = _object(_need(_object(card, "contacts"), "name", "contacts['name']"), "contacts['name']")
        _need(name, "formatted_name", "contacts['name']['formatted_name']")
        parts = ("first_name", "last_name", "middle_name", "suffix", "prefix")
        if not any(name.get(part) for part in parts):
            raise missing("At least one name part besides formatted_name is required")


def _reaction(value: Any) -> None:
    reaction = _object(value, "reaction")
    _need(reaction, "message_id", "reaction['message_id']")
    if not isinstance(reaction.get("emoji"), str):
        raise missing("reaction['emoji'] is required")


def _interactive(value: Any) -> None:
    interactive = _object(value, "interactive")
    kind = _need(interactive, "type", "interactive['type']")
    check = INTERACTIVE.get(str(kind))
    if check is None:
        raise bad_value(f"Interactive type {kind} is not supported")
    check(interactive)


def _template(value: Any) -> None:
    template = _object(value, "template")
    name = _need(template, "name", "template['name']")
    if not _TEMPLATE_NAME.fullmatch(str(name)):
        raise Refusal(code=132001, details=f"template name ({name}) does not exist")
    language = _object(_need(template, "language", "template['language']"), "template['language']")
    code = str(_need(language, "code", "template['language']['code']"))
    if not _LANGUAGE.fullmatch(code):
        raise Refusal(code=132001, details=f"template name ({name}) does not exist in {code}")
    components = template.get("components", [])
    if not isinstance(components, list):
        raise bad_parameter("Param template['components'] must be an array.")
    for component in components:
        _template_component(_object(component, "template['components']"))


def _template_component(component: Json) -> None:
    kind = str(component.get("type", "")).lower()
    if kind not in ("header", "body", "button", "carousel", "limited_time_offer", "order_status"):
        raise bad_parameter("Param template['components']['type'] must be one of {HEADER, BODY, BUTTON, …}.")
    if kind == "button":
        _need(component, "sub_type", "template['components']['sub_type']")
        if not str(component.get("index", "")).isdigit():
            raise missing("template['components']['index'] is required")
    parameters = component.get("parameters") or []
    if not isinstance(parameters, list):
        raise bad_parameter("Param parameters must be an array.")
    for parameter in parameters:
        _template_parameter(_object(parameter, "parameters"))


def _template_parameter(parameter: Json) -> None:
    kind = str(_need(parameter, "type", "parameters['type']"))
    if kind == "payload":
        return
    if kind not in parameter:
        raise Refusal(code=132012, details=f"Parameter of type {kind} is missing its value")
    if kind == "text":
        text = parameter["text"]
        if not isinstance(text, str) or not text:
            raise missing("Parameter of type text is missing text value")
        if _BAD_PARAMETER_TEXT.search(text):
            words = "Param text cannot have new-line/tab characters or more than 4 consecutive spaces"
            raise Refusal(code=132018, details=words)
    elif kind in ("image", "video", "document"):
        _one_source(parameter[kind], kind)


# --- interactive ------------------------------------------------------------------------------------------


def _body(interactive: Json, limit: str = "body", *, required: bool = True) -> None:
    body = interactive.get("body")
    if body is None and not required:
        return
    text = _object(_need(interactive, "body", "interactive['body']"), "interactive['body']").get("text")
    if not text:
        raise missing("interactive['body']['text'] is required")
    _length(text, "Body text", limit)


def _footer(interactive: Json) -> None:
    if interactive.get("footer") is not None:
        _length(_object(interactive["footer"], "interactive['footer']").get("text"), "Footer text", "footer")


def _header(interactive: Json, *kinds: str) -> None:
    if interactive.get("header") is None:
        return
    header = _object(interactive["header"], "interactive['header']")
    kind = header.get("type")
    if kind not in kinds:
        raise bad_value(f"Header type {kind} is not allowed for interactive type {interactive['type']}")
    if kind == "text":
        _length(header.get("text"), "Header text", "header")
    else:
        _one_source(header.get(kind), f"header['{kind}']")


def _none_of(interactive: Json, *keys: str) -> None:
    for key in keys:
        if interactive.get(key) is not None:
            raise bad_value(f"{key} is not allowed for interactive type {interactive['type']}")


def _action(interactive: Json, name: str = "") -> Json:
    action = _object(_need(interactive, "action", "interactive['action']"), "interactive['action']")
    if name and action.get("name") != name:
        raise bad_value(f"Action name must be {name}")
    return action


def _parameters(action: Json) -> Json:
    return _object(_need(action, "parameters", "action['parameters']"), "action['parameters']")


def _buttons(interactive: Json) -> None:
    _body(interactive)
    _footer(interactive)
    _header(interactive, "text", "image", "video", "document")
    buttons = _items(_action(interactive).get("buttons"), "buttons", LIMITS["buttons"])
    replies = [_button_reply(button) for button in buttons]
    _unique((reply["id"] for reply in replies), "button reply id")
    _unique((reply["title"] for reply in replies), "button title")


def _button_reply(button: Any) -> Json:
    if _object(button, "buttons").get("type") != "reply":
        raise bad_value("Button type must be reply")
    reply = _object(_need(button, "reply", "button['reply']"), "button['reply']")
    for key, limit in (("id", "button.id"), ("title", "button.title")):
        _length(_need(reply, key, f"Button {key}"), f"Button {key}", limit)
        if reply[key] != reply[key].strip():
            raise bad_value(f"Button {key} cannot start or end with spaces")
    return reply


def _list(interactive: Json) -> None:
    _body(interactive, "list.body")
    _footer(interactive)
    _header(interactive, "text")
    action = _action(interactive)
    _length(_need(action, "button", "action['button']"), "Button label", "list.button")
    sections = _items(action.get("sections"), "sections", LIMITS["list.sections"])
    rows = [row for section in sections for row in _section_rows(section, several=len(sections) > 1)]
    if len(rows) > LIMITS["list.rows"]:
        raise bad_value(f"Total row count exceed max allowed count: {LIMITS['list.rows']}")
    _unique((row["id"] for row in rows), "row id")


def _section_rows(section: Any, *, several: bool) -> list[Any]:
    section = _object(section, "sections")
    if several:
        _need(section, "title", "Section title, when there is more than one section,")
    if section.get("title") is not None:
        _length(section["title"], "Section title", "section.title", least=0)
    rows = section.get("rows")
    if not isinstance(rows, list) or not rows:
        raise missing("Section rows is required")
    for row in rows:
        _row(_object(row, "rows"))
    return rows


def _row(row: Json) -> None:
    _length(_need(row, "id", "Row id"), "Row id", "row.id")
    _length(_need(row, "title", "Row title"), "Row title", "row.title")
    if row.get("description") is not None:
        _length(row["description"], "Row description", "row.description", least=0)


def _cta_url(interactive: Json) -> None:
    _body(interactive)
    _footer(interactive)
    _header(interactive, "text", "image", "video", "document")
    parameters = _parameters(_action(interactive, "cta_url"))
    _length(_need(parameters, "display_text", "display_text"), "Display text", "cta.text")
    _url(_need(parameters, "url", "url"), "parameters['url']")


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
    _length(_need(parameters, "flow_cta", "flow_cta"), "flow_cta", "form.cta")


def _product(interactive: Json) -> None:
    _none_of(interactive, "header")
    _body(interactive, required=False)
    action = _action(interactive)
    _need(action, "catalog_id", "catalog_id")
    _need(action, "product_retailer_id", "product_retailer_id")


def _product_list(interactive: Json) -> None:
    _need(interactive, "header", "interactive['header']")
    _header(interactive, "text")
    _body(interactive)
    action = _action(interactive)
    _need(action, "catalog_id", "catalog_id")
    sections = _items(action.get("sections"), "sections", LIMITS["list.sections"])
    products = [_object(section, "sections").get("product_items") for section in sections]
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
    cards = _items(_action(interactive).get("cards"), "cards", LIMITS["carousel.cards"])
    if len(cards) < LIMITS["carousel.cards.min"]:
        raise bad_value(
            f"Invalid cards count. Min allowed cards: 2, Max allowed cards: {LIMITS['carousel.cards']}"
        )
    _unique((str(_object(card, "cards").get("card_index")) for card in cards), "card_index")
    for card in cards:
        body = _object(card.get("body") or {}, "card body").get("text")
        if body is not None:
            _length(body, "Card body", "card.body")


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
TYPES: dict[str, Callable[[Any], None]] = {
    "text": _text,
    "image": _media("image", caption=True),
    "video": _media("video", caption=True),
    "audio": _media("audio", caption=False),
    "document": _media("document", caption=True),
    "sticker": _media("sticker", caption=False),
    "location": _location,
    "contacts": _contacts,
    "reaction": _reaction,
    "interactive": _interactive,
    "template": _template,
}
