"""Every kind of spending on one balance at once, while prices, limits and secrets change: nothing
is overspent, every use has its charge's price, and the site's log holds nothing of it."""

import random
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from django.db import connection, transaction

from credits.amounts import PICO
from credits.catalogue.models import fill_catalogue
from credits.features import EMBEDDING
from credits.ledger import get_balance
from credits.models import TokenPrice, UsageHistory, Use, User
from tests.ai_chat.gateway.client import ApiProgram
from tests.ai_chat.turns import MODEL, text_model
from tests.factories import make_key, make_limit, make_model, make_secret, make_token_price
from tests.live import Site
from tests.parallel import own_connection
from tests.strength import usually

CALLS = usually(80, full=400)
#: What must not be in a log.
CONTENT = "pineapple-on-the-moon"


@pytest.fixture
def price(price: TokenPrice) -> TokenPrice:
    fill_catalogue()
    vectors = make_model("vectors", feature=EMBEDDING, provider_model="smollm2-135m-embed")
    make_token_price(vectors, input=10**9, cached=10**9, cache_write=10**9, output=0, reasoning=0)
    return price


def call(program: ApiProgram, number: int, secret: str) -> httpx.Response:
    """One call of a kind that the number chooses."""
    bodies: list[tuple[str, dict[str, Any]]] = [
        ("chat/completions", program.body(f"{CONTENT} {number}", max_tokens=300)),
        ("chat/completions", program.body(f"{CONTENT} {number}", stream=True, n=1)),
        ("chat/completions", program.body(f"[[fail:500]] {CONTENT} {number}")),
        ("responses", {"model": MODEL, "input": f"{CONTENT} {number}", "max_output_tokens": 90}),
        ("images/generations", {"model": "tally-painter", "prompt": f"{CONTENT} {number}"}),
        ("embeddings", {"model": "vectors", "input": f"{CONTENT} {number}"}),
    ]
    path, body = bodies[number % len(bodies)]
    headers = {"Authorization": f"Bearer {secret}"}
    with httpx.Client(base_url=program.http.base_url, timeout=120, trust_env=False) as http:
        return http.post(f"/{path}", json=body, headers=headers)


def change(number: int, user: User, key: Any) -> None:
    """What an operator and an owner do meanwhile."""
    with own_connection(), transaction.atomic():
        if number % 3 == 0:
            make_token_price(text_model(), input=(number + 1) * 10**8, cached=10**8,
                             cache_write=10**9, output=(number + 1) * 10**8,
                             reasoning=2 * 10**9)  # fmt: skip
        elif number % 3 == 1:
            key.limits.update(credits=random.randint(20, 60))
        else:
            make_secret(key)
    connection.close()


def test_one_balance_under_everything_at_once(
    chat_site: Site, alice: User, price: TokenPrice
) -> None:
    key = make_key(alice)
    make_limit(alice, 60, api_key=key)
    program = ApiProgram(chat_site, alice, key)
    with ThreadPoolExecutor(24) as pool:
        changing = [pool.submit(change, number, alice, key) for number in range(12)]
        answers = [*pool.map(lambda number: call(program, number, program.secret), range(CALLS))]
        for each in changing:
            each.result()
    statuses = Counter(answer.status_code for answer in answers)
    assert statuses[200] > 0, statuses
    assert statuses.keys() <= {200, 402, 429, 502}, statuses
    program.wait_until_ended()
    assert_sums(alice)
    log = chat_site.log.read_text()
    for secret in (CONTENT, program.secret, program.secret[9:39], "Bearer"):
        assert secret not in log


def assert_sums(user: User) -> None:
    """By the part of a credit: what is gone was collected by uses, at their charges' prices, or is
    the price of images."""
    balance = get_balance(user_id=user.pk)
    assert balance.held == 0
    assert balance.remaining >= 0
    uses = Use.objects.filter(account=user.pk).select_related("charge__price")
    for use in uses:
        price = use.charge.price
        fresh = use.input - use.cached - use.cache_write
        cost = fresh * price.input + use.cached * price.cached + (use.output * price.output)
        assert use.source == Use.Source.NONE or int(use.cost) == cost
        assert use.collected <= use.charge.bound
    paintings = UsageHistory.objects.filter(account=user.pk, price=None, unit_cost__isnull=False)
    ids = [row.pk for row in paintings]
    rows = paintings | UsageHistory.objects.filter(refund_of__in=ids)
    images = sum(row.credits_used for row in rows)
    paid = (100 - balance.remaining - images) * PICO - balance.ahead
    assert paid == sum(int(use.collected) for use in uses)
