"""How clients are set up, for the page of a person's keys: what docs/clients.md shows, with this
site's address, so that page and document cannot differ."""

import re
from functools import cache
from typing import NamedTuple

from django.conf import settings

#: What stands in the document for the site's address, a key and a model.
ADDRESS, SECRET, MODEL = "https://tally.example", "sk-tally_your_key", "gpt-5-mini"
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


def clients_for(*, address: str, model: str = MODEL, secret: str = SECRET) -> list[Client]:
    """All clients with what to paste at the site of this address (without `/v1`)."""
    put = {ADDRESS: address, MODEL: model, SECRET: secret}

    def filled(block: Block) -> Block:
        text = block.text
        for name, value in put.items():
            text = text.replace(name, value)
        return block._replace(text=text)

    return [Client(client.name, tuple(map(filled, client.blocks))) for client in _clients()]


@cache
def _clients() -> list[Client]:
    text = (settings.BASE_DIR / "docs" / "clients.md").read_text()
    return [
        Client(name, tuple(Block(*block) for block in _BLOCK.findall(section)))
        for name, section in _CLIENT.findall(text)
    ]
