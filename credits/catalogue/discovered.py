"""Models of servers that were found running beside the site, as Ollama and LM Studio do."""

import re
from collections.abc import Sequence

from django.db import transaction

from credits.catalogue.fields import MODEL_LABEL
from credits.catalogue.models import (
    OFFERED,
    fill_catalogue,
    fitting_id,
    free_id,
    position_after,
)
from credits.features import TEXT
from credits.models import AIModel, Provider
from credits.models.catalogue import forget_labels

#: Models by whose names one sees that they do not chat. Embeddings need a price by tokens first.
NO_CHAT = re.compile(r"embed|bge-|minilm|rerank|whisper", re.IGNORECASE)


@transaction.atomic
def offer_discovered(*, server: str, base_url: str, names: Sequence[str]) -> int:
    """Offers the models of a server by the `names` that it has for them (none: it does not answer),
    as far as they chat, after those that are there, and takes off the offer what it has no longer.
    What an admin changed of a model stays. Returns how many of its models are offered."""
    fill_catalogue()
    provider = _provider(server, base_url, create=bool(names))
    if provider is None:
        return 0
    known = {model.provider_model: model for model in provider.models.select_for_update()}
    for model in known.values():
        model.unreachable = model.provider_model not in names
    AIModel.objects.bulk_update(known.values(), ["unreachable"])
    _add(provider, [name for name in names if name not in known and not NO_CHAT.search(name)])
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
    first = position_after(AIModel.objects.filter(feature=TEXT))
    AIModel.objects.bulk_create(
        AIModel(
            name=free_id(fitting_id(name), provider=provider.name.lower(), taken=taken),
            label=f"{name} ({provider.name})"[: MODEL_LABEL.longest],
            feature=TEXT,
            provider=provider,
            provider_model=name,
            position=position,
        )
        for position, name in enumerate(names, first)
    )
    forget_labels()
