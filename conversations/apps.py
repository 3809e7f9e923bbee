from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _

from flows import lint


class ConversationsConfig(AppConfig):
    name = "conversations"
    verbose_name = _("Messaging")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """No flow ever gets a word for consent, so a trigger that equals one is a fault."""
        from conversations import consent  # needs the apps

        lint.reserve_words([*consent.words("stop"), *consent.words("start")])
