"""`manage.py demo_data`: accounts to try the site with, and models that are paid for by tokens, in
an empty embedded database only."""

import json
import os
import secrets
from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction
from django.db.models.functions import Now

from credits.catalogue.model_changes import create_model
from credits.features import EMBEDDING, TEXT
from credits.models import TokenPrice, User
from credits.users.welcome import grant_welcome_credits

#: e-mail, name, admin?, credits
ACCOUNTS = [
    ("ada@example.com", "Ada", False, 50),
    ("low@example.com", "Nearly out", False, 2),
    ("admin@example.com", "Admin", True, 200),
]
#: The local provider's text model once more, paid for by what it used.
MODEL = {
    "id": "smollm2-135m-tokens",
    "label": "SmolLM2 135M, by tokens",
    "feature": TEXT,
    "providerModel": "smollm2-135m",
    "contextTokens": 4_096,
}
#: Its embeddings, which have no other price.
EMBEDDING_MODEL = {
    "id": "smollm2-135m-embed",
    "label": "SmolLM2 135M, embeddings",
    "feature": EMBEDDING,
    "providerModel": "smollm2-135m-embed",
    "contextTokens": 2_048,
}
#: Credits of 1,000,000 tokens, and what a provider would ask: a short answer costs 0.1 to 1 credit.
CREDITS = {
    "input": 1_000,
    "cached": 100,
    "cache_write": 1_000,
    "output": 4_000,
    "reasoning": 4_000,
    "provider_input": 400,
    "provider_cached": 40,
    "provider_cache_write": 400,
    "provider_output": 1_600,
    "provider_reasoning": 1_600,
    "provider_request": 0,
}
EMBEDDING_CREDITS = {
    "input": 100,
    "cached": 100,
    "cache_write": 100,
    "output": 0,
    "reasoning": 0,
    "provider_input": 40,
    "provider_cached": 40,
    "provider_cache_write": 40,
    "provider_output": 0,
    "provider_reasoning": 0,
    "provider_request": 0,
}


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
                if settings.LOCAL_PROVIDER:
                    _offer_by_tokens(MODEL, CREDITS)
                    _offer_by_tokens(EMBEDDING_MODEL, EMBEDDING_CREDITS)
        if options["show"] and path.exists():
            for email, password in json.loads(path.read_text()).items():
                self.stdout.write(f"sign in as {email} with password {password}")


def _offer_by_tokens(values: Mapping[str, Any], credits: Mapping[str, int]) -> None:
    model = create_model(actor=None, values=values)
    prices = {bucket: each * 10**6 for bucket, each in credits.items()}
    TokenPrice.objects.create(model=model, valid_from=Now(), **prices)
