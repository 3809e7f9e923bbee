"""The words of the phone page that its script needs, in the reader's language."""

from django.utils.translation import gettext as _


def texts() -> dict[str, str]:
    return {
        "online": _("online"),
        "typing": _("typing…"),
    }
