"""What Meta refuses in `POST /{phone_number_id}/messages`: one function per type, one row in a table each.

Numbers of the limits come from `flows.engine.content`; the words are Meta's. A shape fault is code 100, a
missing part inside an object 131008, a wrong value 131009, a template's parameters 132xxx.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from flows.engine.content import LIMITS
from simulator.interactive import check_interactive
from simulator.parts import Json, an_object, items, length, need, one_source
from simulator.refusals import Refusal, bad_parameter, bad_value, missing

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
        length(token, "biz_opaque_callback_data", CALLBACK_DATA, least=0, refuse=bad_parameter)
    context = body.get("context")
    if context is not None and not (
        isinstance(context, Mapping) and isinstance(context.get("message_id"), str)
    ):
        raise bad_parameter("The parameter context['message_id'] is required.")


# --- message types ----------------------------------------------------------------------------------------


def _text(value: Any) -> None:
    text = an_object(value, "text")
    if not isinstance(text.get("body"), str) or not text["body"]:
        raise bad_parameter("The parameter text['body'] is required.")
    if len(text["body"]) > LIMITS["text.body"]:
        raise bad_parameter(f"Param text['body'] must be at most {LIMITS['text.body']} characters long.")
    if not isinstance(text.get("preview_url", False), bool):
        raise bad_parameter("Param text['preview_url'] must be a boolean.")


def _media(kind: str, *, caption: bool) -> Callable[[Any], None]:
    def check(value: Any) -> None:
        media = one_source(value, kind)
        if "caption" in media and not caption:
            raise bad_parameter(f'Unexpected key "caption" on param "{kind}".')
        if media.get("caption") is not None:
            length(media["caption"], f"{kind}['caption']", "caption", least=0, refuse=bad_parameter)

    return check


def _location(value: Any) -> None:
    location = an_object(value, "location")
    for key, edge in (("latitude", 90), ("longitude", 180)):
        try:
            degrees = float(need(location, key, f"location['{key}']"))
        except (TypeError, ValueError):
            raise bad_parameter(f"Param location['{key}'] must be a number.") from None
        if not -edge <= degrees <= edge:
            raise bad_value(f"{key} must be between -{edge} and {edge}")


def _contacts(value: Any) -> None:
    for card in items(value, "contacts", LIMITS["contacts"]):
        name = an_object(need(an_object(card, "contacts"), "name", "contacts['name']"), "contacts['name']")
        need(name, "formatted_name", "contacts['name']['formatted_name']")
        parts = ("first_name", "last_name", "middle_name", "suffix", "prefix")
        if not any(name.get(part) for part in parts):
            raise missing("At least one name part besides formatted_name is required")


def _reaction(value: Any) -> None:
    reaction = an_object(value, "reaction")
    need(reaction, "message_id", "reaction['message_id']")
    if not isinstance(reaction.get("emoji"), str):
        raise missing("reaction['emoji'] is required")


def _template(value: Any) -> None:
    template = an_object(value, "template")
    name = need(template, "name", "template['name']")
    if not _TEMPLATE_NAME.fullmatch(str(name)):
        raise Refusal(code=132001, details=f"template name ({name}) does not exist")
    language = an_object(need(template, "language", "template['language']"), "template['language']")
    code = str(need(language, "code", "template['language']['code']"))
    if not _LANGUAGE.fullmatch(code):
        raise Refusal(code=132001, details=f"template name ({name}) does not exist in {code}")
    components = template.get("components", [])
    if not isinstance(components, list):
        raise bad_parameter("Param template['components'] must be an array.")
    for component in components:
        _template_component(an_object(component, "template['components']"))


def _template_component(component: Json) -> None:
    kind = str(component.get("type", "")).lower()
    if kind not in ("header", "body", "button", "carousel", "limited_time_offer", "order_status"):
        raise bad_parameter("Param template['components']['type'] must be one of {HEADER, BODY, BUTTON, …}.")
    if kind == "button":
        need(component, "sub_type", "template['components']['sub_type']")
        if not str(component.get("index", "")).isdigit():
            raise missing("template['components']['index'] is required")
    parameters = component.get("parameters") or []
    if not isinstance(parameters, list):
        raise bad_parameter("Param parameters must be an array.")
    for parameter in parameters:
        _template_parameter(an_object(parameter, "parameters"))


def _template_parameter(parameter: Json) -> None:
    kind = str(need(parameter, "type", "parameters['type']"))
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
        one_source(parameter[kind], kind)


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
    "interactive": check_interactive,
    "template": _template,
}
