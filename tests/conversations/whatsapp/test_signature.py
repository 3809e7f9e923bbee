import hashlib
import hmac
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conversations.whatsapp.signature import is_valid, sign

SECRET = "app-secret-one"
BODY = rb'{"object":"whatsapp_business_account","note":"\u00e9t\u00e9 \/ bar","entry":[]}'


def digest(body=BODY, secret=SECRET, algorithm=hashlib.sha256):
    return hmac.new(secret.encode(), body, algorithm).hexdigest()


def test_the_header_of_the_exact_bytes_is_valid():
    assert sign(SECRET, BODY) == "sha256=" + digest()
    assert is_valid([SECRET], BODY, "sha256=" + digest())


def test_each_of_several_secrets_is_accepted_while_they_rotate():
    assert is_valid(["new", SECRET], BODY, sign(SECRET, BODY))
    assert is_valid([SECRET, "old"], BODY, sign("old", BODY))


@pytest.mark.parametrize(
    "header",
    [
        None,
        "",
        "sha256=",
        digest(),
        "sha1=" + digest(algorithm=hashlib.sha1),
        "sha1=" + digest(),
        "sha256=" + digest().upper(),
        "SHA256=" + digest(),
        "sha256=" + digest()[:63],
        "sha256=" + digest() + "0",
        "sha256=" + digest() + "\n",
        " sha256=" + digest(),
        "sha256= " + digest()[:63],
        "sha256=" + digest(secret="another"),
        "sha256=" + "é" * 64,
        "sha256=" + "٣" * 64,
        "sha256=" + digest() + ", sha256=" + digest(),
    ],
)
def test_any_other_header_is_not(header):
    assert not is_valid([SECRET], BODY, header)


def test_the_signature_of_the_same_json_written_again_is_not_valid():
    again = json.dumps(json.loads(BODY), ensure_ascii=False, separators=(",", ":")).encode()
    assert json.loads(again) == json.loads(BODY)
    assert not is_valid([SECRET], BODY, sign(SECRET, again))


def test_without_a_secret_nothing_is_valid():
    assert not is_valid([], BODY, sign("", BODY))
    assert not is_valid(["", ""], BODY, sign("", BODY))


@given(
    body=st.binary(min_size=1),
    secret=st.text(min_size=1).filter(lambda s: s.isascii()),
    bit=st.integers(min_value=0),
)
def test_one_flipped_bit_breaks_it(body, secret, bit):
    flipped = bytearray(body)
    flipped[bit // 8 % len(body)] ^= 1 << (bit % 8)
    assert is_valid([secret], body, sign(secret, body))
    assert not is_valid([secret], bytes(flipped), sign(secret, body))
