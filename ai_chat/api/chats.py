"""The list of chats, and searching them, in JSON."""

from typing import Any

from django.urls import reverse
from drf_spectacular.utils import extend_schema, extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from ai_chat.conversations import lists, search
from ai_chat.conversations.lists import chats_page
from ai_chat.conversations.search import SEARCH_CHARACTERS, Match, by_chat, find_matches
from ai_chat.models import Conversation
from config.errors import InvalidInput
from config.pagination import InvalidCursor, Page, key_of
from config.text import is_blank
from credits.api.base import ApiView, query_of, user_of
from credits.api.fields import QueryNumber, StrictSerializer
from credits.api.schema import errors


class ChatsQuery(StrictSerializer):
    q = serializers.CharField(
        required=False,
        allow_blank=True,
        max_length=SEARCH_CHARACTERS,
        help_text="Words to search for: all of them, of the last one its beginning.",
    )
    archived = serializers.BooleanField(
        default=False, help_text="Those that are archived. A search looks through all."
    )
    cursor = serializers.RegexField(
        r"^[0-9.a-f]{1,60}$", required=False, help_text="`nextCursor` of the page before."
    )
    limit = QueryNumber(
        default=50, min_value=1, max_value=100, help_text="Chats, or places, of a page."
    )


class PlaceOut(serializers.Serializer[Match]):
    """Where a search matches."""

    entry = serializers.UUIDField(
        allow_null=True, help_text="The turn or image request; null: the title."
    )
    text = serializers.CharField(help_text="What stands there, shortened.")
    createdAt = serializers.DateTimeField(source="created_at")
    url = serializers.SerializerMethodField()

    def get_url(self, match: Match) -> str:
        """The page that shows it."""
        page = reverse("conversation", args=[match.conversation.pk])
        return f"{page}?entry={match.entry}#turn-{match.entry}" if match.entry else page


@extend_schema_serializer(component_name="Chat")
class ChatOut(serializers.Serializer[Conversation]):
    id = serializers.UUIDField()
    externalId = serializers.CharField(
        source="external_id", allow_null=True, help_text="The id that a program gave it."
    )
    title = serializers.CharField()
    createdAt = serializers.DateTimeField(source="created_at")
    activeAt = serializers.DateTimeField(source="active_at", help_text="Of its latest message.")
    pinnedAt = serializers.DateTimeField(source="pinned_at", allow_null=True)
    archivedAt = serializers.DateTimeField(source="archived_at", allow_null=True)
    folder = serializers.CharField(source="folder.name", allow_null=True, default=None)
    places = PlaceOut(many=True, help_text="Where the search matches; empty without one.")


class ChatsPage(serializers.Serializer[Any]):
    """A page of chats, the latest first; of a search those whose titles match first."""

    items = ChatOut(many=True)
    nextCursor = serializers.CharField(allow_null=True, help_text="Null on the last page.")


class MyChats(ApiView):
    @extend_schema(
        operation_id="listChats",
        summary="Your chats",
        description="Lists chats, or searches titles, questions, answers, prompts of pictures and "
        "names of files. A page of a search has `limit` places, together by chat.",
        parameters=[ChatsQuery],
        responses={200: ChatsPage, **errors(400)},
        tags=["ai"],
    )
    def get(self, request: Request) -> Response:
        query, user_id = query_of(request, ChatsQuery), user_of(request).pk
        text = query.get("q", "")
        page = _list(user_id, query) if is_blank(text) else _search(user_id, query)
        return Response(ChatsPage({"items": page.rows, "nextCursor": page.older}).data)


def _list(user_id: int, query: dict[str, Any]) -> Page[Any]:
    page: Page[Any] = chats_page(
        user_id=user_id,
        archived=query["archived"],
        size=query["limit"],
        older_than=_place_of(query, lists.KEY),
    )
    for chat in page.rows:
        chat.places = []
    return page


def _search(user_id: int, query: dict[str, Any]) -> Page[Any]:
    page = find_matches(
        user_id=user_id,
        search=query["q"],
        size=query["limit"],
        older_than=_place_of(query, search.KEY),
    )
    return page.map(_chats_of)


def _chats_of(matches: list[Match]) -> list[Any]:
    chats: list[Any] = []
    for places in by_chat(matches):
        chats.append(places[0].conversation)
        chats[-1].places = places
    return chats


def _place_of(query: dict[str, Any], kinds: tuple[type, ...]) -> Any:
    """Raises InvalidInput for a cursor of another list."""
    try:
        return key_of(query["cursor"], *kinds) if "cursor" in query else None
    except InvalidCursor:
        raise InvalidInput("This is no cursor of this list.", ("cursor",)) from None
