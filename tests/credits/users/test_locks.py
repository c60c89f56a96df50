"""Changing a user in the transaction that grants welcome credits, beside a spend of the account:
both have the balance before the row of the user (docs/ledger.md, Locks)."""

from collections.abc import Callable

import pytest
from django.db import transaction
from django.http import HttpRequest
from django.test import RequestFactory

from ai_chat.models import Conversation
from credits.clerk.identity import upsert_person
from credits.clerk.parsing import parse_person
from credits.ledger import get_balance
from credits.models import User
from credits.users import proofs
from credits.users.sessions import SessionStore
from tests.credits.clerk.billing.items import NOW
from tests.factories import make_charge, make_grant, make_user
from tests.fakes.clerk import user_json
from tests.parallel import backend_pid, in_background, wait_until_blocked


def request() -> HttpRequest:
    asked = RequestFactory().post("/")
    asked.session = SessionStore()
    return asked


def prove_new_address(settings: object) -> tuple[User, Callable[[], object]]:
    user = make_user(credits=100, new_email="new@example.com")
    token = proofs.tokens.make_token(user)
    return user, lambda: proofs.prove(user=user, token=token, request=request())


def change_at_clerk(settings: object) -> tuple[User, Callable[[], object]]:
    before = user_json("user_1", email="old@example.com", at=NOW)
    before["email_addresses"][0]["verification"] = {"status": "unverified"}
    identity, _ = upsert_person(parse_person(before))
    assert identity.user
    make_grant(identity.user, 100)
    after = parse_person(user_json("user_1", email="new@example.com", at=NOW + 1))
    return identity.user, lambda: upsert_person(after)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("change", [prove_new_address, change_at_clerk])
def test_a_new_address_with_welcome_credits_beside_a_spend(
    change: Callable[..., tuple[User, Callable[[], object]]], settings: object
) -> None:
    user, run = change(settings)
    with transaction.atomic():
        make_charge(user)
        changing = in_background(run)
        wait_until_blocked(backend_pid())
        Conversation.objects.create(user=user, title="Its row names the user")
    changing.result()
    user.refresh_from_db()
    assert (user.email, get_balance(user_id=user.pk).remaining) == ("new@example.com", 149)
