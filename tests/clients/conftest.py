"""A site with a key, and the models that its provider plays."""

import base64
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from django.db.models import Sum

from credits.features import EMBEDDING, IMAGE, OperationType
from credits.models import Hold, Provider, UsageHistory, User
from credits.models.tokens import MAX_TOKEN_PRICE
from tests.ai_chat.images.fake import picture
from tests.ai_chat.tokens import assert_paid_exactly
from tests.clients.environments import FOLDER, GROUPS, node_folder, run
from tests.factories import make_key, make_model, make_secret, make_token_price, make_user
from tests.fakes.replaying import STREAMS, ReplayingProvider
from tests.fakes.scripted import serve
from tests.live import Site
from tests.waiting import wait_for

PROGRAMS = Path(__file__).parent / "programs"
CREDITS = 1000


def call(a: int, b: int) -> str:
    return f'[[call add {{"a": {a}, "b": {b}}}]]'


#: What the programs do; each does as much of it as its client can.
TASK = {
    "hello": "Say hello.",
    "tools": f"Add them. {call(1, 2)}{call(3, 4)}{call(5, 6)}",
    "fields": "The weather in 'Oslo' is 21 degrees.",
    "look": "What is this?",
    "picture": "data:image/png;base64," + base64.b64encode(picture()).decode(),
    "fail": "Fail. [[status 500]]",
    "recover": "[[status 500 1]] Go on.",
    "slow": "[[slow]]",
}


@dataclass
class Tally:
    """A running site as a client knows it; `provider` notes what the site asks of its own."""

    site: Site
    provider: ReplayingProvider
    user: User
    credits: int
    key: str

    @property
    def url(self) -> str:
        return f"{self.site.base_url}/v1"

    @property
    def task(self) -> dict[str, Any]:
        return {"url": self.url, "key": self.key, **TASK}

    def run(self, group: str, program: str, folder: Path, **more: Any) -> dict[str, Any]:
        """What a program of `programs/` prints, run in the environment of its group; its task is
        `task` and `more`."""
        source = PROGRAMS / program
        if group in GROUPS["node"]:
            # Beside the packages, where Node looks for them.
            place = FOLDER / group / program
            place.write_text(source.read_text())
            command = [str(node_folder() / "bin" / "node"), str(place)]
        else:
            command = [str(FOLDER / group / "bin" / "python"), str(source)]
        done = run([*command, json.dumps({**self.task, **more})], folder)
        seen: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return seen

    def times_asked(self, text: str) -> int:
        """How often the provider was asked this."""
        return sum(text in json.dumps(asked.get("messages")) for asked in self.provider.calls)

    def assert_settled(self) -> None:
        """All calls have ended, and the account paid what they came to."""
        wait_for(lambda: not Hold.objects.exists(), "the calls to end")
        whole = UsageHistory.objects.filter(
            user=self.user, operation_type=OperationType.AI_IMAGE_GENERATION
        )
        images = whole.aggregate(paid=Sum("credits_used"))["paid"] or 0
        assert_paid_exactly(self.user, had=self.credits - images)


@pytest.fixture(scope="session")
def kept_replaying() -> Iterator[ReplayingProvider]:
    with serve(ReplayingProvider()) as provider:
        yield provider


@pytest.fixture
def replaying(kept_replaying: ReplayingProvider) -> ReplayingProvider:
    kept_replaying.reset()
    return kept_replaying


@pytest.fixture
def tally(keep_site: Callable[..., Site], replaying: ReplayingProvider) -> Tally:
    """A site where every stream of `streams/` is a model, besides one that does as it is told
    ("obedient"), one that nobody can pay ("dear"), and those that draw and embed."""
    abilities: dict[str, Any] = {"uses_tools": True, "reads_images": True}
    for name in [*STREAMS, "obedient", "gpt-5-mini"]:
        model = make_model(name, output_tokens=1500, output_least=1, **abilities)
        make_token_price(model, output=10**9)  # 1 credit for 1,000 tokens
    anthropic = Provider.objects.create(
        name="anthropic", base_url=replaying.base_url, dialect=Provider.Dialect.ANTHROPIC
    )
    claude = make_model("claude-sonnet-5", provider=anthropic, output_tokens=1500, **abilities)
    make_token_price(claude, output=10**9)
    dear = make_model("dear", output_tokens=CREDITS * 100, output_least=CREDITS * 100)
    make_token_price(dear, output=MAX_TOKEN_PRICE)
    make_model("painter", feature=IMAGE)
    make_token_price(make_model("embedder", feature=EMBEDDING))
    site = keep_site(OPENAI_BASE_URL=replaying.base_url)
    return caller(site, replaying, CREDITS)


def caller(site: Site, provider: ReplayingProvider, credits: int) -> Tally:
    """The site as it is to a person with so many credits."""
    user = make_user(credits=credits)
    return Tally(site, provider, user, credits, make_secret(make_key(user)))
