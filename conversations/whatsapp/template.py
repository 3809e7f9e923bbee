"""A template message: variables, header and buttons to the components that Meta takes."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

Json = dict[str, Any]
Content = Mapping[str, Any]


def build_template(content: Content, *, default_language: str, source: Callable[[Content], Json]) -> Json:
    """Build the `template` object.

    Shapes:
        variables: a list, or a dict by number ("1", "2") or by name, for the body.
        header: a text, {"name", "text"}, a medium or a location.
        buttons: those with parameters, see BUTTONS; `index` where some before them have none.
        components: Meta's own objects, put behind all others as they are.
    """
    template: Json = {
        "name": content["name"],
        "language": {"code": content.get("language") or default_language},
    }
    if components := list(_components(content, source)):
        template["components"] = components
    return template


def _components(content: Content, source: Callable[[Content], Json]) -> Iterable[Json]:
    if content.get("header"):
        yield {"type": "header", "parameters": [_header(content["header"], source)]}
    if content.get("variables"):
        yield {"type": "body", "parameters": list(_body_parameters(content["variables"]))}
    for position, button in enumerate(content.get("buttons") or ()):
        yield _button(position, button)
    yield from content.get("components") or ()


def _header(header: Any, source: Callable[[Content], Json]) -> Json:
    if not isinstance(header, Mapping):
        return _parameter(header)
    kind = header.get("type", "text")
    if kind == "text":
        return _parameter(header["text"], header.get("name"))
    if kind == "location":
        return {"type": "location", "location": {key: header[key] for key in header if key != "type"}}
    filename = {"filename": header["filename"]} if header.get("filename") else {}
    return {"type": kind, kind: source(header) | filename}


def _body_parameters(variables: Any) -> Iterable[Json]:
    if not isinstance(variables, Mapping):
        return [_parameter(value) for value in variables]
    if all(name.isdigit() for name in variables):
        return [_parameter(variables[name]) for name in sorted(variables, key=int)]
    return [_parameter(value, name) for name, value in variables.items()]


def _parameter(value: Any, name: str | None = None) -> Json:
    if isinstance(value, Mapping):  # a currency, a date: Meta's own object
        return dict(value)
    named = {"parameter_name": name} if name else {}
    return {"type": "text", **named, "text": str(value)}


def _button(position: int, button: Content) -> Json:
    if "sub_type" in button:
        return {"type": "button", "index": str(position), **button}
    key = next((key for key in BUTTONS if key in button), "payload")
    sub_type, parameter = BUTTONS[key]
    return {
        "type": "button",
        "sub_type": sub_type,
        "index": str(button.get("index", position)),
        "parameters": [parameter(button[key])],
    }


# the key that a button has -> Meta's sub_type and its parameter
BUTTONS: dict[str, tuple[str, Callable[[Any], Json]]] = {
    "id": ("quick_reply", lambda value: {"type": "payload", "payload": value}),
    "payload": ("quick_reply", lambda value: {"type": "payload", "payload": value}),
    "url": ("url", lambda value: {"type": "text", "text": str(value)}),
    "coupon_code": ("copy_code", lambda value: {"type": "coupon_code", "coupon_code": value}),
    "flow": ("flow", lambda value: {"type": "action", "action": value}),
    "catalog": ("catalog", lambda value: {"type": "action", "action": value}),
}
