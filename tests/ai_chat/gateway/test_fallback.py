"""Which model may take over for one whose provider is down."""

from collections.abc import Sequence

import pytest

from ai_chat.gateway.catalogue import model_named
from ai_chat.models import ApiCall
from credits.features import TEXT
from credits.keys.lookup import Caller
from credits.models import ApiKey, Provider, TokenPrice, User
from tests.ai_chat.gateway.client import ApiProgram, assert_paid_exactly, latest_call
from tests.ai_chat.turns import MODEL, text_model
from tests.factories import make_model, make_token_price


def caller(user: User, only_models: Sequence[str] | None) -> Caller:
    return Caller(1, "key_1", user.pk, user.pk, ["inference"], only_models)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("only_models", "reads_images", "expected"),
    [
        (None, True, "other"),
        ([MODEL, "other"], True, "other"),
        ([MODEL], True, None),
        (None, False, None),
    ],
)
def test_a_fallback_is_allowed_to_the_key_and_reads_the_same(
    alice: User, only_models: list[str] | None, reads_images: bool, expected: str | None
) -> None:
    text_model()  # It fills the catalogue while that is empty.
    fallback = make_model("other", reads_images=reads_images)
    text_model(reads_images=True, fallback=fallback)
    model = model_named(MODEL, caller(alice, only_models), feature=TEXT)
    assert (model.fallback and model.fallback.name) == expected
    if expected is None:  # Others still have it.
        again = model_named(MODEL, caller(alice, [MODEL, "other"]), feature=TEXT)
        assert (again.fallback is not None) == reads_images


def test_it_answers_at_the_price_that_was_reserved(program: ApiProgram, price: TokenPrice) -> None:
    dead = Provider.objects.create(
        name="dead", base_url="http://127.0.0.1:1/v1", dialect=Provider.Dialect.COMPATIBLE
    )
    fallback = make_model("other", provider_model=MODEL, output_tokens=1000)
    make_token_price(fallback, input=10**10, output=10**10)
    text_model(provider=dead, fallback=fallback)
    assert program.complete("Hello").model == MODEL
    call = latest_call(program.user)
    assert (call.answered_by, call.charge.price_id) == ("other", price.pk)
    ApiKey.objects.filter(pk=program.key.pk).update(only_models=[MODEL])
    assert program.post("Hello").status_code == 502
    assert latest_call(program.user).state == ApiCall.State.FAILED
    assert_paid_exactly(program.user)
