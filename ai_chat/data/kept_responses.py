"""Responses of the API that are kept for programs to go on from: until their day, until the account
wants none kept, and until it is closed."""

from collections.abc import Iterator
from typing import Any

from django.db.models import QuerySet
from django.db.models.functions import Now, TruncDate

from ai_chat.models import KeptAnswer, KeptResponse, ResponseItem
from config.pagination import delete_in_batches, in_batches
from credits.models import User

type Item = dict[str, Any]


def set_keeping(*, account_id: int, keeps: bool) -> None:
    """Whether answers of the account are kept from now on. When not, those that were are gone."""
    User.objects.filter(pk=account_id).update(keeps_answers=keeps)
    if not keeps:
        delete_kept(account_id=account_id)


def delete_kept(*, account_id: int) -> None:
    """Deletes all that is kept of an account."""
    for model in (KeptResponse, ResponseItem):
        _delete(model._default_manager.filter(account_id=account_id))
    _delete(KeptAnswer.objects.filter(call__user_id=account_id))


def forget() -> None:
    """Deletes what has expired."""
    for model in (KeptResponse, ResponseItem):
        _delete(model._default_manager.filter(expires_on__lte=TruncDate(Now())))


def forget_answers() -> None:
    """Deletes answers that were kept long enough for clients that ask again."""
    _delete(KeptAnswer.objects.filter(created_at__lte=Now() - KeptAnswer.KEPT))


def _delete(rows: QuerySet[Any]) -> None:
    for _ in delete_in_batches(rows):
        pass


def kept_responses(*, account_id: int) -> Iterator[Item]:
    """All responses of an account with what they answered, for its archive."""
    rows = KeptResponse.objects.filter(account_id=account_id).order_by("pk")
    for batch in in_batches(rows, order=("pk",)):
        for kept in batch:
            yield whole_response(kept) | {"input": input_of(kept)}


def whole_response(kept: KeptResponse) -> Item:
    """A response as it was answered."""
    [request] = items_of(kept, [kept.request])
    output = items_of(kept, kept.outputs)
    own = {"id": kept.pk, "output": output, "previous_response_id": kept.previous or None}
    return {**request, **kept.ended, **own}


def input_of(kept: KeptResponse) -> list[Item]:
    """The items that a response answered, each with an id."""
    return [{"id": name, **item} for name, item in _named_items(kept, kept.inputs)]


def items_of(kept: KeptResponse, names: list[str]) -> list[Item]:
    return [item for _, item in _named_items(kept, names)]


def _named_items(kept: KeptResponse, names: list[str]) -> list[tuple[str, Item]]:
    rows = ResponseItem.objects.filter(account_id=kept.account_id).in_bulk(names)
    return [(name, rows[name].item) for name in names if name in rows]
