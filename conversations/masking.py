"""What is shown of phone numbers to those who may not see them in full."""

import re
from typing import Any

_digits = re.compile(r"\+?\d{8,}")


def mask_phone(phone: str) -> str:
    """Keep the country and the last four digits: ``+9196****2010``."""
    sign = "+" if phone.startswith("+") else ""
    digits = phone.removeprefix("+")
    if len(digits) < 9:
        return sign + "****" + digits[-2:]
    return f"{sign}{digits[:4]}****{digits[-4:]}"


def redact(value: Any) -> Any:
    """Mask every long run of digits in a JSON value, keys included."""
    if isinstance(value, str):
        return _digits.sub(lambda found: mask_phone(found[0]), value)
    if isinstance(value, dict):
        return {redact(key): redact(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(redact(entry) for entry in value)
    return value
