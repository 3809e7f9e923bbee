"""Rendered content to the body that Meta's `messages` endpoint takes.

Limits are checked before a message is queued; here a content is only put into Meta's shape.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from conversations.whatsapp.template import build_template

Json = dict[str, Any]
Content = Mapping[str, Any]

PRODUCT = "whatsapp"


class BadContent(ValueError):
    """The content cannot be put into Meta's shape; such a message is never sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient:
    """Whom to send to; Meta takes the phone where both are known."""

    phone: str | None = None
    bsuid: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """What a builder needs to know besides the content."""

    token: str | None
    context_wamid: str | None
    default_language: str


def build(
    content: Content,
    *,
    to: Recipient,
    token: str | None,
    context_wamid: str | None = None,
    default_language: str = "en",
) -> Json:
    """Build the request body of one message.

    The token comes back on every status of the message: the only join when an answer was lost.

    Raises:
        BadContent: for an unknown type, a missing key, or no one to send to.
    """
    name = content.get("type")
    builder = BUILDERS.get(name) if isinstance(name, str) else None
    if builder is None:
        raise BadContent(f"expected a known content type, got {name!r}")
    sending = Sending(token=token, context_wamid=context_wamid, default_language=default_language)
    try:
        wire_type, value = builder(content, sending)
    except BadContent:
        raise
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise BadContent(f"{name}: {error!r} is missing or misshapen") from error
    body = {"messaging_product": PRODUCT, "recipient_type": "individual", **_address(to)}
    body |= {"type": wire_type, wire_type: value}
    if context_wamid and wire_type != "reaction":  # Meta refuses a reaction that quotes
        body["context"] = {"message_id": context_wamid}
    if token:
        body["biz_opaque_callback_data"] = token
    return body


def read_receipt(wamid: str, *, typing: bool = False) -> Json:
    """Mark a message and all before it as read; typing dots last until the answer, 25 s at most."""
    body: Json = {"messaging_product": PRODUCT, "status": "read", "message_id": wamid}
    if typing:
        body["typing_indicator"] = {"type": "text"}
    return body


def _address(to: Recipient) -> Json:
    if to.phone:
        # Without the plus Meta may put our own country's code before the number.
        return {"to": "+" + to.phone.removeprefix("+")}
    if to.bsuid:
        return {"recipient": to.bsuid}
    raise BadContent("expected a phone or a BSUID to send to")


def _text(content: Content, _: Sending) -> tuple[str, Json]:
    text: Json = {"body": content["body"]}
    if "preview_url" in content:
        text["preview_url"] = bool(content["preview_url"])
    return "text", text


def _media_builder(kind: str, *optional: str) -> Callable[[Content, Sending], tuple[str, Json]]:
    def build_media(content: Content, _: Sending) -> tuple[str, Json]:
        return kind, source(content) | _given(content, *optional)

    return build_media


def source(content: Content) -> Json:
    """Name a medium to Meta: by its id once uploaded, else by the link that Meta fetches."""
    if content.get("media"):
        return {"id": content["media"]}
    if content.get("link"):
        return {"link": content["link"]}
    raise BadContent("expected media or link; an asset is uploaded before it is sent")


def _given(content: Content, *keys: str) -> Json:
    return {key: content[key] for key in keys if content.get(key) not in (None, "")}


def _location(content: Content, _: Sending) -> tuple[str, Json]:
    place = {"latitude": content["latitude"], "longitude": content["longitude"]}
    return "location", place | _given(content, "name", "address")


def _contacts(content: Content, _: Sending) -> tuple[str, Any]:
    return "contacts", list(content["contacts"])


def _reaction(content: Content, sending: Sending) -> tuple[str, Json]:
    target = content.get("message_id") or sending.context_wamid
    if not target:
        raise BadContent("expected a message to react to")
    return "reaction", {"message_id": target, "emoji": content.get("emoji") or ""}


def _template(content: Content, sending: Sending) -> tuple[str, Json]:
    return "template", build_template(content, default_language=sending.default_language, source=source)


def _interactive(
    kind: str, action: Callable[[Content, Sending], Json]
) -> Callable[[Content, Sending], tuple[str, Json]]:
    def build_interactive(content: Content, sending: Sending) -> tuple[str, Json]:
        return "interactive", {"type": kind, **_frame(content), "action": action(content, sending)}

    return build_interactive


def _frame(content: Content) -> Json:
    frame: Json = {}
    if content.get("header"):
        frame["header"] = _header(content["header"])
    for key in ("body", "footer"):
        if content.get(key):
            frame[key] = {"text": content[key]}
    return frame


def _header(header: Any) -> Json:
    if isinstance(header, str):
        return {"type": "text", "text": header}
    kind = header["type"]
    if kind == "text":
        return {"type": "text", "text": header["text"]}
    return {"type": kind, kind: source(header) | _given(header, "filename")}


def _raw(content: Content, _: Sending) -> tuple[str, Json]:
    return "interactive", dict(content["interactive"])


def _reply_buttons(content: Content, _: Sending) -> Json:
    return {"buttons": [{"type": "reply", "reply": _option(button)} for button in content["buttons"]]}


def _option(option: Content) -> Json:
    return {"id": option["id"], "title": option["title"]} | _given(option, "description")


def _list(content: Content, _: Sending) -> Json:
    sections = [
        _given(section, "title") | {"rows": [_option(row) for row in section["rows"]]}
        for section in content["sections"]
    ]
    return {"button": content["button"], "sections": sections}


def _link(content: Content, _: Sending) -> Json:
    return {"name": "cta_url", "parameters": {"display_text": content["text"], "url": content["url"]}}


def _ask_location(_: Content, __: Sending) -> Json:
    return {"name": "send_location"}


def _form(content: Content, sending: Sending) -> Json:
    form = str(content["form"])
    parameters: Json = {
        "flow_message_version": "3",
        "flow_id" if form.isdigit() else "flow_name": form,
        "flow_cta": content["cta"],
        # The answer brings it back, so that it leads to the message that asked.
        "flow_token": content.get("flow_token") or sending.token or "unused",
    }
    if content.get("screen"):
        parameters["flow_action"] = "navigate"
        parameters["flow_action_payload"] = _given(content, "screen", "data")
    return {"name": "flow", "parameters": parameters}


def _product(content: Content, _: Sending) -> Json:
    return {"catalog_id": content["catalog_id"], "product_retailer_id": content["product_retailer_id"]}


def _product_list(content: Content, _: Sending) -> Json:
    sections = [
        _given(section, "title") | {"product_items": [_item(item) for item in section["product_items"]]}
        for section in content["sections"]
    ]
    return {"catalog_id": content["catalog_id"], "sections": sections}


def _item(item: Any) -> Json:
    retailer_id = item if isinstance(item, str) else item["product_retailer_id"]
    return {"product_retailer_id": retailer_id}


def _catalog(content: Content, _: Sending) -> Json:
    action: Json = {"name": "catalog_message"}
    if parameters := _given(content, "thumbnail_product_retailer_id"):
        action["parameters"] = parameters
    return action


def _carousel(content: Content, sending: Sending) -> Json:
    return {"cards": [_card(index, card, sending) for index, card in enumerate(content["cards"])]}


def _card(index: int, card: Content, _: Sending) -> Json:
    """Build a card; its type stays cta_url also where its buttons are quick replies."""
    if "buttons" in card:
        replies = [{"type": "quick_reply", "quick_reply": _option(button)} for button in card["buttons"]]
        action: Json = {"buttons": replies}
    else:
        action = _link(card, _)
    return {"card_index": index, "type": "cta_url", **_frame(card), "action": action}


BUILDERS: dict[str, Callable[[Content, Sending], tuple[str, Any]]] = {
    "text": _text,
    "image": _media_builder("image", "caption"),
    "video": _media_builder("video", "caption"),
    "audio": _media_builder("audio", "voice"),
    "document": _media_builder("document", "caption", "filename"),
    "sticker": _media_builder("sticker"),
    "location": _location,
    "contacts": _contacts,
    "reaction": _reaction,
    "template": _template,
    "interactive": _raw,
    "buttons": _interactive("button", _reply_buttons),
    "list": _interactive("list", _list),
    "cta_url": _interactive("cta_url", _link),
    "location_request": _interactive("location_request_message", _ask_location),
    "form": _interactive("flow", _form),
    "product": _interactive("product", _product),
    "product_list": _interactive("product_list", _product_list),
    "catalog": _interactive("catalog_message", _catalog),
    "carousel": _interactive("carousel", _carousel),
}
