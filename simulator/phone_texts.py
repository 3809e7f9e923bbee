"""The words of the phone page that its script needs, in the reader's language."""

from django.utils.translation import gettext as _


def texts() -> dict[str, str]:
    """Texts by the key the script asks for; words in braces are filled in by it."""
    return {**_chat(), **_messages(), **_sheets(), **_panel(), **_problems()}


def _chat() -> dict[str, str]:
    return {
        "business": _("business account"),
        "typing": _("typing…"),
        "empty": _("Say hi to start the demo flow."),
        "message_label": _("Message from {name}"),
        "message_hint": _("Message"),
        "send": _("Send"),
        "attach": _("Attach"),
        "photo": _("Photo or video"),
        "document": _("Document"),
        "audio": _("Voice or sound"),
        "location": _("Location"),
        "card": _("My contact card"),
        "close_phone": _("Close the phone of {name}"),
        "conversation": _("Conversation of {name} with {business}"),
        "hides_phone": _("phone hidden"),
        "today": _("Today"),
        "yesterday": _("Yesterday"),
        "reply": _("Reply"),
        "react": _("React with {emoji}"),
        "more": _("Reply or react"),
        "replying": _("Replying to"),
        "cancel_reply": _("Do not reply to this message"),
        "remove_file": _("Remove the file"),
        "caption_hint": _("Add a caption"),
        "you": _("You"),
    }


def _messages() -> dict[str, str]:
    return {
        "pending": _("being sent"),
        "sent": _("sent"),
        "delivered": _("delivered"),
        "read": _("read"),
        "failed": _("Not delivered"),
        "refused": _("Refused by the simulated Meta"),
        "photo_of": _("Picture"),
        "video": _("Video"),
        "sticker": _("Sticker"),
        "file": _("File"),
        "open_file": _("Open {name}"),
        "external": _("Stored at {host}"),
        "template": _("Template"),
        "form": _("Form"),
        "answered_form": _("Form answered"),
        "send_location": _("Send location"),
        "unknown": _("A message of type {type}"),
        "order": _("Order"),
        "original": _("Message"),
        "reaction_of": _("Reactions: {emoji}"),
    }


def _sheets() -> dict[str, str]:
    return {
        "close": _("Close"),
        "choose": _("Choose an option"),
        "latitude": _("Latitude"),
        "longitude": _("Longitude"),
        "place": _("Name of the place"),
        "places": _("Places"),
        "answer": _("Answers (JSON)"),
        "add_customer": _("Add a customer"),
        "add": _("Add"),
        "open": _("Open"),
        "known_customers": _("Customers who are not shown"),
        "new_customer": _("New customer"),
        "name": _("Name"),
        "phone": _("Phone (empty: one is made up)"),
        "hide_phone": _("Hides the phone number (known by user ID alone)"),
        "no_whatsapp": _("Is not on WhatsApp (messages fail)"),
    }


def _panel() -> dict[str, str]:
    return {
        "live": _("Live"),
        "reconnecting": _("Reconnecting…"),
        "waiting": _("{count} webhooks waiting"),
        "not_taken": _("The product does not take webhooks: {why}"),
        "trace_empty": _("Nothing yet. What the flow does for {name} appears here."),
        "trace_off": _("The trace cannot be read: {why}"),
        "version": _("version {version}"),
        "seconds": _("{ms} ms"),
        "before": _("before"),
        "after": _("after"),
        "variable": _("Variable"),
        "details": _("Details"),
        "clock_now": _("Now"),
        "clock_ahead": _("{time} ahead"),
        "jumped": _("The clock jumped {time} ahead."),
        "jump_partly": _("The product did not jump: {why}. Only the simulated Meta did."),
        "armed": _("{left} left"),
        "always": _("always"),
        "disarm": _("Disarm {fault}"),
        "no_faults": _("No fault is armed."),
        "saved": _("Saved"),
        "kind_refuse": _("Refuse with the code"),
        "kind_fail": _("Accept, then fail with the code"),
        "kind_slow": _("Answer late"),
        "kind_hang": _("Never answer"),
        "kind_drop": _("Accept, then cut the connection"),
        "kind_html": _("Answer 502 with HTML"),
        "kind_unavailable": _("Answer 503"),
        "kind_junk": _("Answer 200 with junk"),
        "kind_empty": _("Answer 200 with nothing"),
        "kind_truncate": _("Cut inside the answer"),
        "kind_silent": _("Send no statuses"),
    }


def _problems() -> dict[str, str]:
    return {
        "offline": _("Not connected. Your message was kept."),
        "bad_json": _("This is not JSON."),
        "too_large": _("The file was not taken: {why}"),
        "failed_call": _("That did not work: {why}"),
    }
