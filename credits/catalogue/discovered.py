"""Models of servers that were found running beside the site, as Ollama and LM Studio do."""

import re
from collections.abc import Sequence

from django.db import transaction
from django.db.models import Max

from credits.catalogue.models import fill_catalogue
from credits.models import AIModel, Provider

FEATURE = "ai_text_chat"
#: Models by whose names one sees that they do not chat.
NO_CHAT = re.compile(r"embed|bge-|minilm|rerank|whisper", re.IGNORECASE)


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
    return provider.models.filter(active=True, unreachable=False).count()


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
    longest = AIModel._meta.get_field("name").max_length
    rows = []
    for position, name in enumerate(names, last + 1):
        own = name if name not in taken else f"{provider.name}/{name}"
        if own in taken or len(own) > (longest or 0):
            continue
        label = f"{name} ({provider.name})"
        rows.append(
            AIModel(
                name=own,
                label=label,
                feature=FEATURE,
                provider=provider,
                provider_model=name,
                position=position,
            )
        )
    AIModel.objects.bulk_create(rows)
