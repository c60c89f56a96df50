"""Models of servers that were found running beside the site, as Ollama and LM Studio do."""

import re
from collections.abc import Iterator, Sequence

from django.db import transaction
from django.db.models import Max

from credits.catalogue.fields import MODEL_ID
from credits.catalogue.models import OFFERED, fill_catalogue
from credits.models import AIModel, Provider
from credits.models.catalogue import forget_labels

FEATURE = "ai_text_chat"
#: Models by whose names one sees that they do not chat.
NO_CHAT = re.compile(r"embed|bge-|minilm|rerank|whisper", re.IGNORECASE)
#: What no model's id has here.
NO_ID = re.compile(r"[^A-Za-z0-9._:/@+-]+")
LONGEST_LABEL = 150


@transaction.atomic
def offer_discovered(*, server: str, base_url: str, found: Sequence[str]) -> int:
    """Offers the models that a server was found to have, as far as they chat, after those that are
    there, and takes off the offer what it has no longer (none: it does not answer). What an admin
    changed of a model stays. Returns how many of its models are offered."""
    fill_catalogue()
    provider = _provider(server, base_url, create=bool(found))
    if provider is None:
        return 0
    known = {model.provider_model: model for model in provider.models.select_for_update()}
    for model in known.values():
        model.unreachable = model.provider_model not in found
    AIModel.objects.bulk_update(known.values(), ["unreachable"])
    _add(provider, [name for name in found if name not in known and not NO_CHAT.search(name)])
    return provider.models.filter(OFFERED).count()


def _provider(server: str, base_url: str, *, create: bool) -> Provider | None:
    """The provider at this address. None where there is none and none is to be made, or an admin
    has given its name to another."""
    at_address = Provider.objects.filter(base_url=base_url).order_by("pk").first()
    if at_address or not create:
        return at_address
    defaults = {"base_url": base_url, "dialect": Provider.Dialect.COMPATIBLE}
    provider, created = Provider.objects.get_or_create(name=server, defaults=defaults)
    return provider if created else None


def _add(provider: Provider, names: Sequence[str]) -> None:
    taken = set(AIModel.objects.values_list("name", flat=True))
    last = AIModel.objects.filter(feature=FEATURE).aggregate(last=Max("position"))["last"] or 0
    rows = []
    for position, name in enumerate(names, last + 1):
        own = next((each for each in _ids(provider, name) if each not in taken), "")
        if not MODEL_ID.accepts(own):
            continue
        taken.add(own)
        rows.append(
            AIModel(
                name=own,
                label=f"{name} ({provider.name})"[:LONGEST_LABEL],
                feature=FEATURE,
                provider=provider,
                provider_model=name,
                position=position,
            )
        )
    AIModel.objects.bulk_create(rows)
    forget_labels()


def _ids(provider: Provider, name: str) -> Iterator[str]:
    """What a model may be called here: as its server calls it, or with the server's name."""
    for parts in ([name], [provider.name.lower(), name]):
        yield "/".join(NO_ID.sub("-", part) for part in parts)
