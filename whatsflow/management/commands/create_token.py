from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction
from rest_framework.authtoken.models import Token


class Command(BaseCommand):
    help = "Make a token for the API, shown this once. A user has one: making it anew ends the old one."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("user", metavar="USER", help="name of the user whose rights the token has")
        parser.add_argument("--revoke", action="store_true", help="end the user's token and make none")

    def handle(self, *_args: Any, **options: Any) -> None:
        users = get_user_model().objects
        name = options["user"]
        user = users.filter(username=name).first()
        if user is None:
            raise CommandError(
                f"there is no user named {name}: expected one of those in the admin, under Users"
            )
        if not user.is_active:
            raise CommandError(f"{name} is not active: a token of theirs would be refused")
        with transaction.atomic():
            ended, _by_model = Token.objects.filter(user=user).delete()
            token = None if options["revoke"] else Token.objects.create(user=user)
        self.stdout.write(token.key if token else f"{ended} token of {name} ended")
