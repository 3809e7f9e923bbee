"""How texts of customers are compared: typed options and triggers alike."""

import unicodedata


def folded(text: str, *, accents: bool = True) -> str:
    """Return the text after NFKC, case folding, trimming and folding of inner white space."""
    if text.isascii():
        return " ".join(text.lower().split())
    text = unicodedata.normalize("NFKC", text).casefold()
    if not accents:
        text = _without_accents(text)
    return " ".join(unicodedata.normalize("NFKC", text).split())


def _without_accents(text: str) -> str:
    decomposed = unicodedata.normalize("NFD", text)
    return "".join(sign for sign in decomposed if unicodedata.category(sign) != "Mn")
