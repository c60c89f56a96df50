"""Many agents at once on one key, or on one balance, which cover a few of their calls."""

import random
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from credits.amounts import PICO
from credits.models import SpendDay, TokenPrice, UsageHistory, Use, User
from tests.ai_chat.gateway.client import ApiProgram, assert_paid_exactly
from tests.factories import make_key, make_limit, make_user
from tests.fakes.provider import FakeProvider
from tests.live import Site
from tests.strength import usually

AGENTS = usually(200, full=500)
#: Tokens of output that a call reserves: with its input, between one credit and two.
MAX_TOKENS = 600
#: Credits that are there for all agents: for so many calls at once, by what is reserved of a limit
#: (exactly) and of a balance (whole credits).
CREDITS, CALLS_OF_LIMIT, CALLS_OF_BALANCE = 12, 9, 6


@pytest.fixture
def busy_site(start_site: Callable[..., Site], provider: FakeProvider) -> Site:
    """Where only credits refuse a call: it has threads for all agents."""
    return start_site(
        OPENAI_BASE_URL=provider.base_url,
        WEB_THREADS="600",
        DATABASE_POOL_SIZE="16",
        API_CALLS_IN_FLIGHT="10000",
        API_CALLS_PER_MINUTE="100000",
    )


def run_agents(program: ApiProgram) -> Counter[str]:
    """Lets all agents ask at the same moment, and again after each refusal until they are answered;
    what they were refused with."""
    refusals: Counter[str] = Counter()
    together = threading.Barrier(AGENTS)

    def ask(number: int) -> None:
        headers = {"Authorization": f"Bearer {program.secret}"}
        with httpx.Client(
            base_url=program.http.base_url, headers=headers, timeout=120, trust_env=False
        ) as http:
            body = program.body(f"{number} [[delay:0.02]]", max_tokens=MAX_TOKENS)
            together.wait()
            while (answer := http.post("/chat/completions", json=body)).status_code != 200:
                refusals[f"{answer.status_code} {answer.json()['error']['code']}"] += 1
                assert 1 <= int(answer.headers["Retry-After"]) <= 60
                threading.Event().wait(random.uniform(0.2, 2))

    with ThreadPoolExecutor(AGENTS) as pool:
        assert [*pool.map(ask, range(AGENTS))] == [None] * AGENTS
    return refusals


def assert_each_was_paid_once(user: User) -> None:
    charges = UsageHistory.objects.filter(account=user.pk, unit_cost__isnull=False)
    uses = Use.objects.filter(account=user.pk)
    assert charges.count() == AGENTS
    assert sum(use.output == 8 for use in uses) == AGENTS


def test_agents_on_one_key_never_pass_its_limit(
    busy_site: Site, provider: FakeProvider, alice: User, price: TokenPrice
) -> None:
    key = make_key(alice)
    make_limit(alice, CREDITS, api_key=key)
    refusals = run_agents(ApiProgram(busy_site, alice, key))
    assert refusals.keys() == {"429 busy"}
    assert 1 < provider.most_open <= CALLS_OF_LIMIT
    assert_each_was_paid_once(alice)
    assert_paid_exactly(alice)
    counted = SpendDay.objects.get(account_id=alice.pk, api_key_id=key.pk)
    assert counted.held == 0
    assert counted.spent == sum(int(use.collected) for use in Use.objects.all())
    assert counted.spent <= CREDITS * PICO


def test_agents_on_one_balance_never_pass_it(
    busy_site: Site, provider: FakeProvider, price: TokenPrice
) -> None:
    user = make_user("poor@example.com", name="Poor", credits=CREDITS)
    refusals = run_agents(ApiProgram(busy_site, user))
    assert refusals.keys() == {"429 busy"}
    assert 1 < provider.most_open <= CALLS_OF_BALANCE
    assert_each_was_paid_once(user)
    assert_paid_exactly(user, had=CREDITS)
