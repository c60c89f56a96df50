"""`manage.py discover_models`: looks for model servers on this machine, offers what they have."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from ai_chat.providers.listing import NoList, list_models
from credits.catalogue.discovered import offer_discovered

#: Where Ollama and LM Studio listen unless configured otherwise.
SERVERS = {"Ollama": "http://127.0.0.1:11434/v1", "LM Studio": "http://127.0.0.1:1234/v1"}
#: The longest wait for one of them, in seconds: on this machine they answer at once.
SECONDS = 2.0


class Command(BaseCommand):
    help = "Looks for Ollama and LM Studio on this machine and offers their models."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--server",
            action="append",
            metavar="NAME=URL",
            help="look there instead; may be given more than once",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        given = options["server"] and dict(server.split("=", 1) for server in options["server"])
        for server, base_url in (given or SERVERS).items():
            offered = offer_discovered(server=server, base_url=base_url, names=models_at(base_url))
            if offered:
                self.stdout.write(
                    f"{server} answers at {base_url}: models of it that are offered too: {offered}"
                    " (LOCAL_DISCOVERY=0 turns this off)."
                )


def models_at(base_url: str) -> list[str]:
    """The ids of the models there; none where no server answers."""
    try:
        return list_models(base_url, seconds=SECONDS)
    except NoList:
        return []
