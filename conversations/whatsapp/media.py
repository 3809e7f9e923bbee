"""Facts of WhatsApp's kinds of media: what Meta takes, and how large.

Source: Meta's media reference (read 2026-11).
"""

from dataclasses import dataclass

KIB = 1024
MIB = 1024 * KIB


@dataclass(frozen=True, slots=True, kw_only=True)
class MediaKind:
    """One kind of media; `mime_types` empty = any type."""

    name: str
    mime_types: frozenset[str]
    max_bytes: int
    has_caption: bool
    has_filename: bool = False

    def takes(self, mime_type: str) -> bool:
        """Tell whether Meta sends this type as this kind; parameters such as codecs do not count."""
        return not self.mime_types or bare_type(mime_type) in self.mime_types


def bare_type(mime_type: str) -> str:
    return mime_type.partition(";")[0].strip().lower()


def kind_of(mime_type: str) -> str:
    """Name the kind under which a file of this type is best sent; whatever fits no other is a document."""
    bare = bare_type(mime_type)
    return next((kind.name for kind in KINDS.values() if bare in kind.mime_types), "document")


_AUDIO = frozenset({"audio/aac", "audio/amr", "audio/mpeg", "audio/mp4", "audio/ogg"})

KINDS: dict[str, MediaKind] = {
    kind.name: kind
    for kind in (
        MediaKind(
            name="image",
            mime_types=frozenset({"image/jpeg", "image/png"}),
            max_bytes=5 * MIB,
            has_caption=True,
        ),
        MediaKind(
            name="video",
            mime_types=frozenset({"video/mp4", "video/3gpp"}),
            max_bytes=16 * MIB,
            has_caption=True,
        ),
        MediaKind(name="audio", mime_types=_AUDIO, max_bytes=16 * MIB, has_caption=False),
        MediaKind(
            name="sticker",
            mime_types=frozenset({"image/webp"}),
            max_bytes=500 * KIB,
            has_caption=False,
        ),
        MediaKind(
            name="document",
            mime_types=frozenset(),
            max_bytes=100 * MIB,
            has_caption=True,
            has_filename=True,
        ),
    )
}
STATIC_STICKER_BYTES = 100 * KIB
LARGEST_BYTES = max(kind.max_bytes for kind in KINDS.values())
