"""Answers that many calls share: pages of a list, and 304 for what a client has already."""

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

from django.db.models import Model, QuerySet
from django.utils.cache import get_conditional_response
from rest_framework import serializers
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from config.pagination import paginate


def conditional(request: Request, data: Mapping[str, Any]) -> Response:
    """The answer with an ETag of exactly this body, or 304 when the client has it. Never answered
    from a cache without asking: the database is the only truth."""
    etag = f'"{hashlib.blake2b(JSONRenderer().render(data), digest_size=12).hexdigest()}"'
    headers = {"ETag": etag, "Cache-Control": "private, no-cache"}
    unchanged = get_conditional_response(request, etag=etag)
    if unchanged is not None:
        return Response(status=unchanged.status_code, headers=headers)
    return Response(data, headers=headers)


def page_of[Row: Model](
    rows: QuerySet[Row],
    query: Mapping[str, Any],
    serializer: Callable[..., serializers.BaseSerializer[Any]],
    **context: Any,
) -> Response:
    """One page of a list, newest first by id. `nextCursor` is null on the last page."""
    start = (query["cursor"],) if "cursor" in query else None
    page = paginate(rows, size=query["limit"], older_than=start, onwards_only=True)
    items = serializer(page.rows, many=True, context=context).data
    return Response({"items": items, "nextCursor": page.rows[-1].pk if page.older else None})
