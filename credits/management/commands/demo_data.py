"""`manage.py demo_data`: accounts to try the site with, in an empty embedded database only."""

import json
import os
import secrets
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from credits.models import User
from credits.users.welcome import grant_welcome_credits

#: e-mail, name, admin?, credits
ACCOUNTS = [
    ("ada@example.com", "Ada", False, 50),
    ("low@example.com", "Nearly out", False, 2),
    ("admin@example.com", "Admin", True, 200),
]


class Command(BaseCommand):
    help = "Creates demo accounts in an empty embedded database, and prints how to sign in."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--show", action="store_true", help="only print the accounts")

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.EMBEDDED_DATABASE:
            raise CommandError("Demo accounts are made in the embedded database only.")
        path = settings.VAR_DIR / "demo_accounts.json"
        if not options["show"] and not User.objects.exists():
            passwords = {email: secrets.token_urlsafe(9) for email, *_ in ACCOUNTS}
            # First: accounts whose passwords were lost with the process would be made only once.
            with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
                json.dump(passwords, file)
            with transaction.atomic():
                for email, name, is_admin, credits in ACCOUNTS:
                    user = User.objects.create_user(
                        email, passwords[email], name=name, is_staff=is_admin
                    )
                    grant_welcome_credits(user_id=user.pk, address=email, amount=credits)
        if options["show"] and path.exists():
            for email, password in json.loads(path.read_text()).items():
                self.stdout.write(f"sign in as {email} with password {password}")
