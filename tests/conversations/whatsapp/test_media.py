import pytest

from conversations.whatsapp.media import KINDS, LARGEST_BYTES, kind_of
from conversations.whatsapp.outbound import BUILDERS


def test_every_kind_can_be_sent():
    assert set(KINDS) <= set(BUILDERS)


@pytest.mark.parametrize(
    ("mime_type", "kind"),
    [
        ("image/jpeg", "image"),
        ("IMAGE/PNG", "image"),
        ("audio/ogg; codecs=opus", "audio"),
        ("video/mp4", "video"),
        ("image/webp", "sticker"),
        ("image/svg+xml", "document"),
        ("application/pdf", "document"),
        ("", "document"),
    ],
)
def test_a_file_is_sent_as_the_kind_that_fits(mime_type, kind):
    assert kind_of(mime_type) == kind
    assert KINDS[kind].takes(mime_type)


def test_an_image_is_not_taken_as_audio():
    assert not KINDS["audio"].takes("image/png")


def test_the_largest_is_a_document():
    assert KINDS["document"].max_bytes == LARGEST_BYTES == 100 * 1024 * 1024
