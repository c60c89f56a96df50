"""Keeping responses, and finding again what clients refer to by `item_reference` and
`previous_response_id`: rows of their account alone (gateway design, C.9)."""

import hashlib
import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Q

from ai_chat.gateway.json_output import finite
from ai_chat.gateway.responses.fields import Fields, InvalidParameter
from ai_chat.gateway.responses.incoming import Incoming, Item, is_reference
from ai_chat.models import KeptResponse, ResponseItem
from ai_chat.providers.text import Storable

#: The most responses that one goes back to.
MAX_CHAIN = 1000
#: What the ids of items begin with, by their types.
PREFIXES = {
    "message": "msg",
    "reasoning": "rs",
    "function_call": "fc",
    "function_call_output": "fco",
    "custom_tool_call": "ctc",
    "custom_tool_call_output": "ctco",
}
NONE_KEPT = (
    "Responses are not kept {by}. Send all items in 'input', with 'store': false (in the AI SDK: "
    "providerOptions.openai.store = false)."
)
# Items come only when all of them, each as often as it is named, have at most `room` bytes. First
# those that are stored decide: nothing has to be unpacked for these.
BOUNDED = """
, stored AS (
    SELECT *, sum(pg_column_size(item) * times) OVER () AS bytes FROM named
), written AS (
    SELECT *, sum(CASE WHEN bytes <= %(room)s THEN octet_length(item::text) * times END) OVER ()
        AS size
    FROM stored
)
"""
# The chain is read from its end; places count within each response.
CONVERSATION = f"""
WITH RECURSIVE chain (previous, names, back) AS (
    SELECT r.previous, r.inputs || r.outputs, 0 FROM ai_chat_keptresponse r
    WHERE r.id = %(id)s AND r.account_id = %(account)s AND r.expires_on > %(today)s
    UNION ALL
    SELECT r.previous, r.inputs || r.outputs, c.back + 1
    FROM chain c JOIN ai_chat_keptresponse r ON r.id = c.previous
    WHERE r.account_id = %(account)s AND r.expires_on > %(today)s AND c.back < %(most)s
), named AS (
    SELECT c.back, c.previous, n.place, i.item, 1 AS times
    FROM chain c
    LEFT JOIN LATERAL unnest(c.names) WITH ORDINALITY AS n (name, place) ON true
    LEFT JOIN ai_chat_responseitem i ON i.id = n.name AND i.account_id = %(account)s
) {BOUNDED}
SELECT previous, item IS NULL, CASE WHEN size <= %(room)s THEN item END
FROM written ORDER BY back DESC, place
"""  # noqa: S608 -- ours
REFERRED = f"""
WITH named AS (
    SELECT i.id, i.item, n.times
    FROM (SELECT name, count(*) AS times FROM unnest(%(names)s::text[]) AS u (name) GROUP BY 1) n
    JOIN ai_chat_responseitem i
        ON i.id = n.name AND i.account_id = %(account)s AND i.expires_on > %(today)s
) {BOUNDED}
SELECT id, CASE WHEN size <= %(room)s THEN item END FROM written
"""  # noqa: S608 -- ours
# Nothing where it has been turned off, or the account closed, since the call began: all that is
# kept was deleted then, or will be after this statement. Items are written in the order of their
# ids, so that no two calls wait for each other. One that is there is written once a day; what a
# response refers to stays as long as it does.
KEEP = """
WITH owner AS (
    SELECT id FROM credits_user WHERE id = %(account)s AND keeps_answers AND closed_at IS NULL
    FOR SHARE
), items AS (
    INSERT INTO ai_chat_responseitem AS kept (id, account_id, item, expires_on)
    SELECT n.name, owner.id, n.item::jsonb, %(expires_on)s
    FROM owner, unnest(%(names)s::text[], %(items)s::text[]) AS n (name, item)
    ORDER BY n.name
    ON CONFLICT (id) DO UPDATE SET expires_on = EXCLUDED.expires_on
    WHERE kept.expires_on < EXCLUDED.expires_on
), referred AS (
    UPDATE ai_chat_responseitem i SET expires_on = %(expires_on)s FROM owner
    WHERE i.account_id = owner.id AND i.id = ANY (%(referred)s) AND i.expires_on < %(expires_on)s
)
INSERT INTO ai_chat_keptresponse
    (id, account_id, previous, request, inputs, outputs, ended, expires_on)
SELECT %(id)s, owner.id, %(previous)s, %(request)s, %(inputs)s, %(outputs)s, %(ended)s::jsonb,
    %(expires_on)s
FROM owner
"""


class KeptItems:
    """What is kept of an account, for one call. `keeps` says whether anything is."""

    def __init__(self, account_id: int, *, wanted: bool = True) -> None:
        self.account_id = account_id
        self.keeps = wanted and settings.API_RESPONSE_DAYS > 0

    def _check(self, param: str) -> None:
        if not self.keeps:
            by = "for this account" if settings.API_RESPONSE_DAYS else "here"
            raise InvalidParameter(param, NONE_KEPT.format(by=by), "unsupported_parameter")

    def items(self, references: list[Fields]) -> list[Item]:
        """As `Kept.items`."""
        self._check(references[0].param("id"))
        names = [reference.need("id", str) for reference in references]
        stored = dict(self._rows(REFERRED, names=[name for name in names if "\0" not in name]))
        for reference, name in zip(references, names, strict=True):
            if name not in stored:
                param = reference.param("id")
                message = f"No item has the id of '{param}', or it is not kept any more."
                raise InvalidParameter(param, message, "item_not_found")
        return [_read(stored[name], "input") for name in names]

    def conversation(self, response_id: str) -> list[Item]:
        """As `Kept.conversation`."""
        param = "previous_response_id"
        self._check(param)
        rows = self._rows(CONVERSATION, id=response_id.replace("\0", ""), most=MAX_CHAIN)
        # It begins with a response that went on from none, and lacks nothing.
        if not rows or rows[0][0] or any(is_missing for _, is_missing, _ in rows):
            message = "No response has this id, or not all before it is kept any more."
            raise InvalidParameter(param, message, "previous_response_not_found")
        return [_read(item, param) for *_, item in rows]

    def _rows(self, statement: str, **values: Any) -> list[Any]:
        values |= {"account": self.account_id, "today": today(), "room": room()}
        with connection.cursor() as cursor:
            cursor.execute(statement, values)
            return list(cursor.fetchall())

    def keep(self, incoming: Incoming, response: Item) -> None:
        """Keeps a response that has ended, and what it answered, in one statement."""
        members = dict(response)
        output = members.pop("output")
        previous = members.pop("previous_response_id") or ""
        request = {name: members.pop(name) for name in incoming.repeated if name in members}
        named = {item["id"]: _json(item) for item in output}
        inputs = [
            item["id"] if is_reference(item) else self._sent(item, named) for item in incoming.items
        ]
        row: dict[str, Any] = {
            "id": members.pop("id"),
            "account": self.account_id,
            "previous": previous,
            "request": self._sent(request, named),
            "inputs": inputs,
            "outputs": [item["id"] for item in output],
            "ended": _json(members),
            "expires_on": today() + timedelta(days=settings.API_RESPONSE_DAYS),
            "referred": [name for name in inputs if name not in named],
            "names": [*named],
            "items": [*named.values()],
        }
        with connection.cursor() as cursor:
            cursor.execute(KEEP, row)

    def _sent(self, item: Item, named: dict[str, str]) -> str:
        """The name of what a client has sent: the same each time that it comes."""
        text = _json(item)
        digest = hashlib.sha256(f"{self.account_id}:{text}".encode()).hexdigest()[:40]
        name = f"{PREFIXES.get(_type_of(item), 'in')}_{digest}"
        named[name] = text
        return name


def find_response(*, account_id: int, response_id: str) -> KeptResponse | None:
    """A kept response of the account."""
    rows = KeptResponse.objects.filter(account_id=account_id, expires_on__gt=today())
    return rows.filter(pk=response_id.replace("\0", "")).first()


def delete_response(kept: KeptResponse) -> None:
    """Deletes a response with its items, but for those that others of the account have too."""
    names = {kept.request, *kept.inputs, *kept.outputs}
    with transaction.atomic():
        kept.delete()
        others = KeptResponse.objects.filter(account_id=kept.account_id)
        shared = others.filter(Q(inputs__overlap=[*names]) | Q(request=kept.request))
        for inputs, request in shared.values_list("inputs", "request"):
            names -= {*inputs, request}
        ResponseItem.objects.filter(account_id=kept.account_id, pk__in=names).delete()


def room() -> int:
    """Bytes of the kept items that one call may go on from: those of a body."""
    return settings.LARGE_BODIES["/v1/responses"]


def _read(item: str | None, param: str) -> Item:
    """A kept item. Raises InvalidParameter where there were too many bytes of them."""
    if item is None:
        message = f"What is kept of it has more than {room():,} bytes. Begin anew, without it."
        raise InvalidParameter(param, message, "request_too_large")
    kept: Item = json.loads(item)
    return kept


def today() -> date:
    """The day by which what is kept expires (UTC)."""
    return datetime.now(UTC).date()


def _type_of(item: Item) -> str:
    return str(item.get("type") or ("message" if "role" in item else ""))


def _json(value: Any) -> str:
    """As the database takes it: without NUL and halves of characters, which no text there holds."""
    try:
        text = _dump(value)
    except ValueError:  # A provider has put a number that is none into it.
        value = finite(value)
        text = _dump(value)
    return _dump(_storable(value)) if "\\u0000" in text or not _is_text(text) else text


def _dump(value: Any) -> str:
    return json.dumps(
        value, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False
    )


def _is_text(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _storable(value: Any) -> Any:
    if isinstance(value, str):
        clean = Storable()
        return clean.feed(value) + clean.rest()
    if isinstance(value, dict):
        return {_storable(name): _storable(each) for name, each in value.items()}
    return [_storable(each) for each in value] if isinstance(value, list) else value
