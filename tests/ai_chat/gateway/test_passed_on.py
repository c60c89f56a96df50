"""What a provider gets to see of a chat completion, and what it does not."""

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from credits.models import Provider, TokenPrice, User
from tests.ai_chat.gateway.client import ApiProgram
from tests.ai_chat.images.fake import FakePainter
from tests.ai_chat.tokens import price_by_tokens
from tests.ai_chat.turns import text_model
from tests.factories import make_user
from tests.live import Site

ANSWER = {
    "choices": [{"index": 0, "message": {"content": "Hello"}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 3, "completion_tokens": 1},
}
PICTURE = "https://images.example/a.png"


class Heard(ApiProgram):
    """A program, and what its provider heard of it."""

    provider: FakePainter

    def hears(self, **body: Any) -> dict[str, Any]:
        """What the provider gets of a body."""
        self.post(**body).raise_for_status()
        return self.provider.calls[-1]


@pytest.fixture
def start(
    keep_site: Callable[..., Site], painter: FakePainter, price: TokenPrice
) -> Callable[..., Heard]:
    """Starts a program of a user's at a site with these variables."""

    def program(user: User, **environment: str) -> Heard:
        painter.answer = ANSWER
        heard = Heard(keep_site(OPENAI_BASE_URL=painter.base_url, **environment), user)
        heard.provider = painter
        return heard

    return program


def set_dialect(dialect: str) -> None:
    Provider.objects.filter(pk=text_model().provider_id).update(dialect=dialect)


@pytest.mark.parametrize(
    ("dialect", "name"), [("compatible", "user"), ("openai", "safety_identifier")]
)
@pytest.mark.parametrize(
    "sent",
    [{"user": "jane@example.com"}, {"safety_identifier": "jane"}, {"metadata": {"user": "jane"}}],
)
def test_who_asks_is_told_by_a_pseudonym_of_the_account(
    start: Callable[..., Heard], alice: User, dialect: str, name: str, sent: dict[str, Any]
) -> None:
    set_dialect(dialect)
    heard = start(alice).hears(**sent)
    told = heard.pop(name)
    assert told.startswith("account_")
    assert not {"user", "safety_identifier", "metadata"} & {*heard}
    assert "jane" not in str(heard)
    # The same for the account, another one for another.
    assert start(alice).hears(user="somebody else")[name] == told
    other = make_user(credits=100)
    assert start(other).hears(**sent)[name] != told


def test_a_provider_that_takes_no_name_gets_none(start: Callable[..., Heard], alice: User) -> None:
    set_dialect("mistral")
    heard = start(alice).hears(user="jane", metadata={"a": "b"}, safety_identifier="jane")
    assert not {"user", "safety_identifier", "metadata"} & {*heard}


def test_nothing_is_told_unasked(start: Callable[..., Heard], alice: User) -> None:
    assert not {"user", "safety_identifier"} & {*start(alice).hears()}


@pytest.mark.parametrize(
    ("dialect", "role"), [("compatible", "system"), ("mistral", "system"), ("openai", "developer")]
)
def test_a_developers_words_have_the_role_that_the_provider_knows(
    start: Callable[..., Heard], alice: User, dialect: str, role: str
) -> None:
    set_dialect(dialect)
    messages = [{"role": "developer", "content": "Be kind"}, {"role": "user", "content": "Hi"}]
    assert [m["role"] for m in start(alice).hears(messages=messages)["messages"]] == [role, "user"]


def ask_about(program: ApiProgram, address: str) -> httpx.Response:
    picture = {"type": "image_url", "image_url": {"url": address}}
    return program.post(messages=[{"role": "user", "content": [picture]}])


def test_addresses_of_pictures_go_to_the_provider_where_the_site_says_so(
    start: Callable[..., Heard], alice: User
) -> None:
    price_by_tokens(reads_images=True)
    program = start(alice, API_REMOTE_IMAGES="on")
    for address in (PICTURE, PICTURE.replace("https", "HTTPS")):
        assert ask_about(program, address).status_code == 200
        (part,) = program.provider.calls[-1]["messages"][0]["content"]
        assert part["image_url"]["url"] == address
    for address in ("http://images.example/a.png", "file:///etc/passwd", "ftp://x/y", "a.png"):
        refused = ask_about(program, address)
        assert refused.status_code == 400
        assert refused.json()["error"]["code"] == "unsupported_parameter"


def test_they_are_refused_elsewhere(start: Callable[..., Heard], alice: User) -> None:
    price_by_tokens(reads_images=True)
    program = start(alice)
    refused = ask_about(program, PICTURE)
    assert refused.status_code == 400
    assert refused.json()["error"]["param"] == "messages[0].content[0]"
    assert not program.provider.calls
    assert ask_about(program, "data:image/png;base64,iVBORw0KGgo=").status_code == 200
