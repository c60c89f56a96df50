"""What the chat and /v1 add to an answer of the provider, and how many they give at once, beside
LiteLLM's proxy in front of the same provider. The same bare client asks all of them."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

import httpx

from credits.models import UsageHistory, User
from tests.ai_chat.turns import text_model
from tests.bench.clients import Connection, chat_api, chat_page, completion
from tests.bench.litellm_proxy import LiteLLM, running_litellm
from tests.bench.measure import cpu_seconds, in_turn, p99, rate_of_calls, ratio, row
from tests.factories import make_key, make_secret, make_token_price, make_user
from tests.live import Site, running_site
from tests.processes import ROOT, free_port, stop
from tests.waiting import wait_for

TURNS = 100
WARM_UP = 10
AT_ONCE = 32
#: Of each measurement of requests per second, and how often each is measured.
CALLS, ROUNDS = 160, 3
#: The model that is priced by tokens.
BY_TOKENS = "by-tokens"
#: What each answer begins with.
FIRST = b"word1"


#: Makes the bytes of a request.
type Request = Callable[[], bytes]
type Asking = Callable[[], tuple[float, float]]


@dataclass(frozen=True)
class Server:
    """Someone who answers: where, by which requests of each caller, and the processes that do the
    work."""

    base_url: str
    streamed: list[Request]
    whole: list[Request]
    workers: Callable[[], list[int]]


type Servers = dict[str, Server]


@contextmanager
def fake_provider(folder: Path) -> Iterator[str]:
    """The fake provider's address; in a process of its own, so that its work is not the site's."""
    log = ["--log", str(folder / "provider.jsonl")]
    with provider([sys.executable, "-m", "tests.fakes.provider", *log]) as base_url:
        yield base_url


@contextmanager
def provider(command: list[str]) -> Iterator[str]:
    """The address of a provider that the command starts on the `--port` it is given."""
    port = free_port()
    command = [*command, "--port", str(port)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, start_new_session=True)
    base_url = f"http://127.0.0.1:{port}"

    def is_ready() -> bool:
        try:
            return httpx.get(f"{base_url}/healthz", trust_env=False).is_success
        except httpx.TransportError:
            return False

    try:
        wait_for(is_ready, "the provider to come up", pause=0.05)
        yield base_url
    finally:
        stop(process)


def bench_answers(folder: Path) -> None:
    """First token of the page, whole JSON answer, and both with AT_ONCE callers."""
    users = [make_user(f"answers{n}@example.com", credits=10**6) for n in range(AT_ONCE)]
    with (
        fake_provider(folder) as provider,
        running_litellm(f"{provider}/v1", folder) as litellm,
        running_site(
            {
                "OPENAI_BASE_URL": f"{provider}/v1",
                "WEB_WORKERS": "1",
                "REQUESTS_PER_MINUTE": "10000",
                "API_CALLS_PER_MINUTE": "100000",
            },
            log=folder / "answers.log",
        ) as site,
    ):
        servers = {"direct": _provider(provider), "site": _site(site, users)}
        servers["v1"] = _api(site, users)
        if litellm:
            servers["LiteLLM"] = _litellm(litellm)
        _first_tokens(servers)
        _whole_answers(servers)
        del servers["direct"]
        _many_at_once(servers, "streamed answers a second", lambda server: server.streamed)
        _many_at_once(servers, "whole JSON answers a second", lambda server: server.whole)
    charged = UsageHistory.objects.filter(
        unit_cost__isnull=False, account__in=[u.pk for u in users]
    )
    asked = 2 * (2 * (WARM_UP + TURNS) + 2 * ROUNDS * (AT_ONCE + CALLS))
    assert charged.count() == asked, f"{charged.count()} charges of {asked} answers"


def _provider(base_url: str) -> Server:
    return _of_openai(base_url, "none", list)


def _litellm(proxy: LiteLLM) -> Server:
    return _of_openai(proxy.base_url, proxy.key, proxy.workers)


def _of_openai(base_url: str, key: str, workers: Callable[[], list[int]]) -> Server:
    streamed, whole = completion(key, stream=True), completion(key, stream=False)
    return Server(base_url, [streamed] * AT_ONCE, [whole] * AT_ONCE, workers)


def _site(site: Site, users: list[User]) -> Server:
    streamed = [chat_page(site, user) for user in users]
    return Server(site.base_url, streamed, [chat_api(site, user) for user in users], site.workers)


def _api(site: Site, users: list[User]) -> Server:
    """The same site's API, at a model that is priced by tokens, a key for each caller."""
    model = text_model()
    model.pk, model.name, model._state.adding = None, BY_TOKENS, True
    model.save()
    make_token_price(model, input=10**6, output=10**6)
    keys = [make_secret(make_key(user)) for user in users]
    streamed, whole = (
        [completion(key, stream=stream, model=BY_TOKENS) for key in keys]
        for stream in (True, False)
    )
    return Server(site.base_url, streamed, whole, site.workers)


def _first_tokens(servers: Servers) -> None:
    asking = {name: _asking(server, server.streamed[0]) for name, server in servers.items()}
    _report_added("first token", asking, 0, "≤ 10")


def _whole_answers(servers: Servers) -> None:
    asking = {name: _asking(server, server.whole[0]) for name, server in servers.items()}
    _report_added("whole JSON answer", asking, 1, "≤ 24")


def _asking(server: Server, request: Request) -> Asking:
    connection = Connection(server.base_url)
    return lambda: connection.ask(request(), FIRST)


def _report_added(what: str, asking: dict[str, Asking], which: int, target: str) -> None:
    """`which` of the two times that `Connection.ask` gives is meant."""

    def measure(ask: Asking) -> float:
        return ask()[which]

    contestants = {name: partial(measure, ask) for name, ask in asking.items()}
    in_turn(contestants, rounds=WARM_UP)
    seconds = in_turn(contestants, rounds=TURNS)
    direct = seconds.pop("direct")
    added = {
        name: [(through - alone) * 1000 for through, alone in zip(taken, direct, strict=True)]
        for name, taken in seconds.items()
    }
    note = f"ms; the same call made directly takes {median(direct) * 1000:.1f} ms"
    theirs = added.pop("LiteLLM", None)
    for name, ours in added.items():
        row(f"{what}: added by {name}, median", median(ours), target * (name == "site"), note)
        row(f"{what}: added by {name}, p99", p99(ours), "", "ms")
        for figure, of in (("median", median), ("p99", p99)):
            if theirs:
                row(
                    f"{what}: added by {name} / by LiteLLM, {figure}",
                    of(ours) / of(theirs),
                    {"site": "≤ 0.5", "v1": "≤ 0.33"}[name],
                    f"LiteLLM adds {of(theirs):.1f} ms",
                )


def _many_at_once(servers: Servers, what: str, requests: Callable[[Server], list[Request]]) -> None:
    def prepare(server: Server, number: int) -> Callable[[], object]:
        return _asking(server, requests(server)[number])

    before = {name: cpu_seconds(server.workers()) for name, server in servers.items()}
    figures = in_turn(
        {
            name: partial(rate_of_calls, partial(prepare, server), threads=AT_ONCE, calls=CALLS)
            for name, server in servers.items()
        },
        rounds=ROUNDS,
    )
    calls = ROUNDS * (CALLS + AT_ONCE)
    note = "; ".join(
        f"{name} {median(figures[name]):.0f}/s, "
        f"{(cpu_seconds(server.workers()) - before[name]) / calls * 1000:.1f} ms CPU each"
        for name, server in servers.items()
    )
    what = f"{what}, {AT_ONCE} at once"
    for name, aim in (("site", "≥ 2"), ("v1", "≥ 3")):
        if "LiteLLM" in figures:
            row(f"{what}: {name} / LiteLLM", ratio(figures, name, "LiteLLM"), aim, note)
        else:
            row(f"{what}: {name}", median(figures[name]), "", note)
