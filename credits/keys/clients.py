"""How clients are set up, for the pages of a person's keys: what docs/clients.md shows, with this
site's address, so that page and document cannot differ."""

import re
from collections.abc import Collection
from functools import cache
from typing import NamedTuple

from django.conf import settings

from credits.catalogue.models import offered_models
from credits.features import TEXT
from credits.models import Provider

#: What stands in the document for the site's address, a secret, a model, and one whose provider
#: speaks Anthropic's protocol.
ADDRESS, SECRET = "https://tally.example", "sk-tally_your_key"
MODEL, CLAUDE = "gpt-5-mini", "claude-sonnet-5"
_CLIENT = re.compile(r"^## (.+?)\n(.*?)(?=^## |\Z)", re.DOTALL | re.MULTILINE)
_BLOCK = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", re.DOTALL | re.MULTILINE)


class Block(NamedTuple):
    """Something to paste: code in a language, or the text of a file."""

    language: str
    file: str
    text: str


class Client(NamedTuple):
    """A client, and what sets it up."""

    name: str
    blocks: tuple[Block, ...]


def base_url() -> str:
    """What clients of OpenAI's API call the base URL."""
    return f"{settings.SITE_URL}/v1"


def shown_clients(
    *, account_id: int, only_models: Collection[str] | None = None, secret: str = SECRET
) -> list[Client]:
    """What to paste for a key of the account that may call these models (None: all), with one of
    them; without the clients that speak Anthropic's protocol where none of them does."""
    offered = [
        model
        for model in offered_models(TEXT, user_id=account_id)
        if model.usable and (only_models is None or model.name in only_models)
    ]
    dialect = Provider.Dialect.ANTHROPIC
    claudes = [model.name for model in offered if model.provider.dialect == dialect]
    clients = clients_for(
        address=settings.SITE_URL,
        secret=secret,
        model=offered[0].name if offered else MODEL,
        claude=claudes[0] if claudes else CLAUDE,
    )
    if claudes:
        return clients
    return [client for client in clients if not any(CLAUDE in b.text for b in client.blocks)]


def clients_for(
    *, address: str, model: str = MODEL, claude: str = CLAUDE, secret: str = SECRET
) -> list[Client]:
    """All clients with what to paste at the site of this address (without `/v1`)."""
    put = {ADDRESS: address, MODEL: model, CLAUDE: claude, SECRET: secret}
    places = re.compile("|".join(map(re.escape, put)))

    def filled(block: Block) -> Block:
        return block._replace(text=places.sub(lambda match: put[match[0]], block.text))

    return [Client(client.name, tuple(map(filled, client.blocks))) for client in _clients()]


@cache
def _clients() -> list[Client]:
    """The sections of the document that have something to paste; the others explain."""
    text = (settings.BASE_DIR / "docs" / "clients.md").read_text()
    sections = [(name, _BLOCK.findall(section)) for name, section in _CLIENT.findall(text)]
    return [Client(name, tuple(map(Block._make, blocks))) for name, blocks in sections if blocks]
