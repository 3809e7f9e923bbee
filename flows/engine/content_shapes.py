"""The shapes of what can be said: the keys of ``content.KINDS``, with Meta's ``LIMITS``."""

from flows.engine.content_checks import HEADER_MEDIA
from flows.engine.limits import LIMITS
from flows.engine.scalars import Choice, Flag, Liquid, Number, Text, Typed
from flows.engine.shapes import Either, Key, ListOf, Record, Variant

TEXT = Liquid()
RENDERED = Typed(kind="text")


def _limited(limit: str) -> Liquid:
    return Liquid(most=LIMITS[limit])


_TYPE = Key(shape=Text(), about="which content this is")
_MEDIA_SOURCE = {
    "link": Key(shape=Liquid(most=LIMITS["url"]), about="public https address that Meta fetches"),
    "media": Key(shape=TEXT, about="id of media that was uploaded to Meta"),
    "asset": Key(shape=TEXT, about="name of a file that WhatsFlow keeps and uploads"),
}
_ONE_SOURCE = (("link", "media", "asset"),)
_MEDIA_HEADER = Record(
    what="the header",
    shared="media_header",
    keys={
        "type": Key(shape=Choice(HEADER_MEDIA), about="image, video or document", required=True),
        **_MEDIA_SOURCE,
        "filename": Key(shape=_limited("filename"), about="name under which a document is shown"),
    },
    one_of=_ONE_SOURCE,
)
_HEADER = Key(
    shape=Either(string=_limited("header"), record=_MEDIA_HEADER, null=True),
    about=f"a text of at most {LIMITS['header']} characters, or an image, video or document",
)
_TEXT_HEADER = Key(
    shape=Either(string=_limited("header"), null=True),
    about=f"a text of at most {LIMITS['header']} characters",
)
_FOOTER = Key(
    shape=Either(string=_limited("footer"), null=True), about=f"at most {LIMITS['footer']} characters"
)


def _body(limit: str = "body", *, required: bool = True) -> Key:
    return Key(shape=_limited(limit), about=f"at most {LIMITS[limit]:,} characters", required=required)


_BUTTON = Record(
    what="the button",
    shared="button",
    keys={
        "id": Key(shape=_limited("button.id"), about="what a tap is known by", required=True),
        "title": Key(
            shape=_limited("button.title"),
            about=f"at most {LIMITS['button.title']} characters",
            required=True,
        ),
    },
)
_BUTTONS = ListOf(item=_BUTTON)
_ROW = Record(
    what="the row",
    shared="row",
    keys={
        "id": Key(shape=_limited("row.id"), about="what a tap is known by", required=True),
        "title": Key(
            shape=_limited("row.title"), about=f"at most {LIMITS['row.title']} characters", required=True
        ),
        "description": Key(
            shape=Either(string=_limited("row.description"), null=True),
            about=f"at most {LIMITS['row.description']} characters",
        ),
    },
)
_SECTION = Record(
    what="the section",
    shared="section",
    keys={
        "title": Key(
            shape=Either(string=_limited("section.title"), null=True),
            about=f"at most {LIMITS['section.title']} characters; needed with several sections",
        ),
        "rows": Key(
            shape=ListOf(item=_ROW),
            about=f"at most {LIMITS['list.rows']} rows in all sections together",
            required=True,
        ),
    },
)
_PRODUCT_SECTION = Record(
    what="the section",
    shared="product_section",
    keys={
        "title": Key(
            shape=Either(string=_limited("section.title"), null=True), about="shown above the products"
        ),
        "product_items": Key(shape=ListOf(item=RENDERED), about="Meta's product items", required=True),
    },
)
_CARD = Record(
    what="the card",
    shared="card",
    keys={
        "header": Key(shape=_MEDIA_HEADER, about="an image or a video", required=True),
        "body": Key(shape=_limited("card.body"), about=f"at most {LIMITS['card.body']} characters"),
        "buttons": Key(shape=_BUTTONS, about="reply buttons, the same number on every card"),
        "text": Key(shape=_limited("cta.text"), about="text of the button that opens the address"),
        "url": Key(shape=_limited("url"), about="address that the button opens"),
    },
)
_COORDINATE = Either(number=Number(least=-180, most=180), string=TEXT)
_TEMPLATE_VALUES = Either(
    record=RENDERED,
    items=RENDERED,
    string=TEXT,
)


def _kind(**keys: Key) -> Record:
    return Record(what="the content", keys={"type": _TYPE, **keys})


def _media(*, caption: bool = False, **more: Key) -> Record:
    keys = {"type": _TYPE, **_MEDIA_SOURCE, **more}
    if caption:
        keys["caption"] = Key(
            shape=Either(string=_limited("caption"), null=True),
            about=f"at most {LIMITS['caption']:,} characters",
        )
    return Record(what="the content", keys=keys, one_of=_ONE_SOURCE)


CONTENT = Variant(
    what="the content",
    shared="content",
    cases={
        "text": _kind(
            body=_body("text.body"),
            preview_url=Key(shape=Flag(), about="show a preview of the first address"),
        ),
        "image": _media(caption=True),
        "video": _media(caption=True),
        "audio": _media(voice=Key(shape=Flag(), about="send it as a voice note (ogg with opus)")),
        "document": _media(
            caption=True,
            filename=Key(
                shape=Either(string=_limited("filename"), null=True), about="name under which it is shown"
            ),
        ),
        "sticker": _media(),
        "location": _kind(
            latitude=Key(shape=_COORDINATE, about="-90 to 90", required=True),
            longitude=Key(shape=_COORDINATE, about="-180 to 180", required=True),
            name=Key(shape=Either(string=TEXT, null=True), about="name of the place"),
            address=Key(shape=Either(string=TEXT, null=True), about="shown only with a name"),
        ),
        "contacts": _kind(
            contacts=Key(shape=ListOf(item=RENDERED), about="Meta's contact objects", required=True)
        ),
        "buttons": _kind(
            header=_HEADER,
            body=_body(),
            footer=_FOOTER,
            buttons=Key(shape=_BUTTONS, about=f"1 to {LIMITS['buttons']} reply buttons", required=True),
        ),
        "list": _kind(
            header=_TEXT_HEADER,
            body=_body("list.body"),
            footer=_FOOTER,
            button=Key(
                shape=_limited("list.button"),
                about=f"text that opens the list, at most {LIMITS['list.button']} characters",
                required=True,
            ),
            sections=Key(
                shape=ListOf(item=_SECTION),
                about=f"1 to {LIMITS['list.sections']} sections of rows",
                required=True,
            ),
        ),
        "cta_url": _kind(
            header=_HEADER,
            body=_body(),
            footer=_FOOTER,
            text=Key(shape=_limited("cta.text"), about="text of the button", required=True),
            url=Key(shape=_limited("url"), about="address that the button opens", required=True),
        ),
        "location_request": _kind(body=_body()),
        "form": _kind(
            header=_HEADER,
            body=_body(),
            footer=_FOOTER,
            form=Key(shape=TEXT, about="name or id of the form (Meta's WhatsApp Flow)", required=True),
            cta=Key(shape=_limited("form.cta"), about="text of the button", required=True),
            screen=Key(shape=Either(string=TEXT, null=True), about="first screen"),
            data=Key(shape=Either(record=RENDERED, string=TEXT), about="data for the first screen"),
        ),
        "product": _kind(
            body=Key(shape=Either(string=_limited("body"), null=True), about="text above the product"),
            footer=_FOOTER,
            catalog_id=Key(shape=TEXT, about="the catalog", required=True),
            product_retailer_id=Key(shape=TEXT, about="the product", required=True),
        ),
        "product_list": _kind(
            header=Key(shape=_limited("header"), about="a text header", required=True),
            body=_body(),
            footer=_FOOTER,
            catalog_id=Key(shape=TEXT, about="the catalog", required=True),
            sections=Key(shape=ListOf(item=_PRODUCT_SECTION), about="sections of products", required=True),
        ),
        "catalog": _kind(
            body=_body(),
            footer=_FOOTER,
            thumbnail_product_retailer_id=Key(shape=TEXT, about="product whose picture is shown"),
        ),
        "carousel": _kind(
            body=_body(),
            cards=Key(
                shape=ListOf(item=_CARD),
                about=f"{LIMITS['carousel.cards.min']} to {LIMITS['carousel.cards']} cards of one kind",
                required=True,
            ),
        ),
        "template": _kind(
            name=Key(shape=TEXT, about="name of an approved template", required=True),
            language=Key(shape=Either(string=TEXT, null=True), about="language code of the template"),
            variables=Key(shape=_TEMPLATE_VALUES, about="values by name or by position"),
            header=Key(
                shape=Either(string=TEXT, record=_MEDIA_HEADER, null=True), about="the header's variable"
            ),
            buttons=Key(shape=ListOf(item=RENDERED), about="payloads and variables of the buttons"),
            components=Key(shape=ListOf(item=RENDERED), about="Meta's components, taken as they stand"),
        ),
        "reaction": _kind(
            emoji=Key(shape=TEXT, about='one emoji; "" takes the reaction back', required=True)
        ),
        "interactive": _kind(
            interactive=Key(
                shape=Either(record=RENDERED), about="a Cloud API interactive object", required=True
            )
        ),
    },
)
CONTENTS = Either(record=CONTENT, items=ListOf(item=CONTENT, least=1))
