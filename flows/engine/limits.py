"""The one table of Meta's limits on what can be sent. Source: Cloud API documentation, read November 2026."""

from collections.abc import Mapping
from types import MappingProxyType

LIMITS: Mapping[str, int] = MappingProxyType(
    {
        "text.body": 4096,
        "body": 1024,
        "list.body": 4096,
        "caption": 1024,
        "header": 60,
        "footer": 60,
        "filename": 240,
        "buttons": 3,
        "button.id": 256,
        "button.title": 20,
        "list.button": 20,
        "list.sections": 10,
        "list.rows": 10,
        "section.title": 24,
        "row.id": 200,
        "row.title": 24,
        "row.description": 72,
        "cta.text": 20,
        "url": 2000,
        "form.cta": 20,
        "product_list.sections": 10,
        "product_list.products": 30,
        "carousel.cards.min": 2,
        "carousel.cards": 10,
        "card.body": 160,
        "card.lines": 3,
        "contacts": 257,
        "template.name": 512,
        "template.parameter": 1024,
        "template.buttons": 10,
        "image.bytes": 5 * 1024 * 1024,
        "video.bytes": 16 * 1024 * 1024,
        "audio.bytes": 16 * 1024 * 1024,
        "document.bytes": 100 * 1024 * 1024,
        "sticker.bytes": 500 * 1024,
    }
)
