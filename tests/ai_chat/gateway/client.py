"""A program that calls /v1 through OpenAI's SDK, and what holds of every call."""

from typing import Any

import httpx
import openai

from ai_chat.models import ApiCall
from credits.amounts import PICO
from credits.ledger import get_balance
from credits.models import ApiKey, Use, User
from tests.ai_chat.turns import MODEL
from tests.factories import make_key, make_secret
from tests.live import Site
from tests.waiting import wait_for


class ApiProgram:
    """Calls as its user's key. The SDK does not try again unless a test says so."""

    def __init__(self, site: Site, user: User, key: ApiKey | None = None, **options: Any) -> None:
        self.site = site
        self.user = user
        self.key = key or make_key(user)
        self.secret = make_secret(self.key)
        self.sdk = openai.OpenAI(
            api_key=self.secret,
            base_url=f"{site.base_url}/v1",
            **{"max_retries": 0, "timeout": 60, **options},
        )
        self.http = httpx.Client(
            base_url=f"{site.base_url}/v1",
            headers={"Authorization": f"Bearer {self.secret}"},
            timeout=60,
            trust_env=False,
        )
        site.clients.append(self.http)

    def body(self, text: str = "Say hello", **more: Any) -> dict[str, Any]:
        """A body of a chat completion."""
        return {"model": MODEL, "messages": [{"role": "user", "content": text}], **more}

    def post(self, text: str = "Say hello", **more: Any) -> httpx.Response:
        """A chat completion without the SDK."""
        return self.http.post("/chat/completions", json=self.body(text, **more))

    def complete(self, text: str = "Say hello", **more: Any) -> Any:
        """The same through the SDK."""
        return self.sdk.chat.completions.create(**self.body(text, **more))

    def wait_until_ended(self) -> None:
        """Until no call of the user runs any more."""
        running = ApiCall.objects.filter(user=self.user, state=ApiCall.State.RUNNING)
        wait_for(lambda: not running.exists(), "the calls to end")


def assert_paid_exactly(user: User, *, had: int = 100) -> None:
    """What the account paid, by the part of a credit, is what its uses collected, and nothing is
    held any more."""
    balance = get_balance(user_id=user.pk)
    uses = Use.objects.filter(account=user.pk)
    paid = (had - balance.remaining) * PICO - balance.ahead
    assert paid == sum(int(use.collected) for use in uses)
    assert balance.held == 0


def latest_call(user: User) -> ApiCall:
    """The latest call, with what it came to."""
    return ApiCall.with_receipt().filter(user=user).latest("created_at")
