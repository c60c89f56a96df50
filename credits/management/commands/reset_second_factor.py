"""`manage.py reset_second_factor EMAIL`: for somebody who lost app and recovery codes."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from credits.models import User
from credits.users.second_factor import reset


class Command(BaseCommand):
    help = (
        "Removes the second factor of an account and ends its sessions. Be sure who asks for it:"
        " whoever has the password can then sign in."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email")

    def handle(self, *args: Any, **options: Any) -> None:
        email = options["email"]
        try:
            if not reset(email=email):
                raise CommandError(f"{email} has no second factor.")
        except User.DoesNotExist:
            raise CommandError(f"There is no account with the address {email}.") from None
        self.stdout.write(f"The second factor of {email} is removed; its sessions have ended.")
