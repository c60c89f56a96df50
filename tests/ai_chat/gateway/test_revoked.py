"""What becomes of calls whose key is revoked, and of a key whose account is closed."""

import openai
import pytest

from ai_chat.models import ApiCall
from credits.keys.services import make_key, revoke_key, roll_key
from credits.models import User
from credits.users.closing import close
from tests.ai_chat.gateway.client import ApiProgram, assert_paid_exactly, latest_call
from tests.api import BACKEND, Api
from tests.fakes.provider import FakeProvider
from tests.waiting import wait_for


def test_revoking_with_stop_ends_what_is_going_on(
    program: ApiProgram, provider: FakeProvider
) -> None:
    with program.complete("[[tokens:3]][[gate]]", stream=True) as stream:
        next(iter(stream))
        browser = Api()
        browser.force_login(program.user, backend=BACKEND)
        address = f"/api/keys/{program.key.public_id}"
        assert browser.delete(f"{address}?stop=1").status_code == 204
        program.wait_until_ended()
        wait_for(lambda: provider.open_completions == 0, "the provider to be left")
    assert latest_call(program.user).state == ApiCall.State.STOPPED
    assert_paid_exactly(program.user)
    with pytest.raises(openai.AuthenticationError):
        program.complete()


def test_without_stop_what_is_going_on_ends_as_it_would(program: ApiProgram) -> None:
    with program.complete("[[tokens:40]][[delay:0.05]]", stream=True) as stream:
        chunks = iter(stream)
        next(chunks)
        revoke_key(actor=program.user, key=program.key)
        assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"
    program.wait_until_ended()
    assert latest_call(program.user).state == ApiCall.State.DONE
    assert_paid_exactly(program.user)
    with pytest.raises(openai.AuthenticationError):
        program.complete()


def test_another_key_s_calls_go_on(program: ApiProgram, alice: User) -> None:
    other, _ = make_key(actor=alice, account_id=alice.pk, name="other")
    with program.complete("[[tokens:40]][[delay:0.05]]", stream=True) as stream:
        chunks = iter(stream)
        next(chunks)
        revoke_key(actor=alice, key=other, stop=True)
        list(chunks)
    program.wait_until_ended()
    assert latest_call(alice).state == ApiCall.State.DONE


def test_a_rolled_key_is_called_with_both_secrets(program: ApiProgram) -> None:
    rolled = roll_key(actor=program.user, key=program.key, overlap_days=1)
    program.complete()
    newer = program.sdk.with_options(api_key=rolled.secret)
    newer.chat.completions.create(**program.body())
    keys = set(ApiCall.objects.values_list("api_key", flat=True))
    assert keys == {program.key.pk}
    roll_key(actor=program.user, key=program.key, overlap_days=0)
    for client in (program.sdk, newer):
        with pytest.raises(openai.AuthenticationError):
            client.chat.completions.create(**program.body())


@pytest.mark.parametrize("how", ["closed", "banned"])
def test_a_closed_or_banned_account_s_key_is_useless_at_once(program: ApiProgram, how: str) -> None:
    program.complete()
    if how == "closed":
        close(program.user)
    else:
        User.objects.filter(pk=program.user.pk).update(is_active=False)
    with pytest.raises(openai.AuthenticationError) as refused:
        program.complete()
    assert refused.value.code == "invalid_api_key"
