"""People: the list, and one person's page."""

from typing import Any

from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render

from adminpanel.users import timeline
from adminpanel.users.forms import PeopleForm, TimelineForm
from adminpanel.users.search import Sort, find_users, get_page
from ai_chat.models import Conversation, DataJob, Image
from credits.approvals import waiting
from credits.http import AuthenticatedHttpRequest, render_page_or_fragment, wants_fragment
from credits.keys.states import key_states
from credits.ledger import get_balance
from credits.limit_states import limit_states
from credits.models import (
    ApiKey,
    AuthenticationEvent,
    Identity,
    SubscriptionItem,
    User,
    WebhookEndpoint,
)
from credits.reports.grants import get_grants
from credits.roles import is_admin
from credits.users.permissions import admin_page

#: Requests that the list shows; their page has the others.
PENDING = 5
#: Subscription items that a person's page shows.
ITEMS = 20
#: Keys that a person's page shows; the page of keys has the others.
KEYS = 5
#: The latest events of how a person signs in; the page of sign-ins has the others.
EVENTS = 5


@admin_page
def users(request: AuthenticatedHttpRequest) -> HttpResponse:
    form = PeopleForm(request.GET)
    context: dict[str, Any] = {"form": form}
    if form.is_valid():
        values = form.cleaned_data
        # This list's `after` and `before` say what comes next in it, whatever it is sorted by.
        context["page"] = get_page(
            find_users(**form.filters),
            sort=values["sort"] or Sort.NEWEST,
            searched=bool(values["search"]),
            older_than=values["after"],
            newer_than=values["before"],
        )
    if not wants_fragment(request):
        context["pending"] = waiting()[: PENDING + 1]
    status = 200 if form.is_valid() else 400
    return render_page_or_fragment(
        request, "adminpanel/users.html", "people", context, status=status
    )


@admin_page
def user(request: HttpRequest, user_id: int) -> HttpResponse:
    someone = get_object_or_404(User, pk=user_id)
    form = TimelineForm(request.GET)
    # First, because it makes expired credits leave: all that is read after it agrees.
    balance = get_balance(user_id=someone.pk)
    context: dict[str, Any] = {
        "person": someone,
        "admin": is_admin(someone),
        "identity": Identity.objects.filter(user=someone).first(),
        "balance": balance,
        "live": get_grants(user_id=someone.pk, live=True),
        "over": get_grants(user_id=someone.pk, live=False),
        "items": _items(someone),
        "counts": _counts(someone),
        "limits": limit_states(account_id=someone.pk) if balance.counted else [],
        "pending": waiting().filter(user=someone)[:PENDING],
        "events": AuthenticationEvent.objects.filter(user=someone).order_by("-pk")[:EVENTS],
        "keys": key_states(_keys(someone)),
        "webhooks": WebhookEndpoint.objects.filter(account_id=someone.pk).order_by("created_at"),
        "erasure": DataJob.objects.filter(user=someone, kind=DataJob.Kind.ERASURE).first(),
        "form": form,
        "page": timeline.get_page(someone, **form.place_for(someone)),
    }
    status = 200 if form.is_valid() else 400
    return render(request, "adminpanel/user.html", context, status=status)


def _items(user: User) -> list[SubscriptionItem]:
    """What the person subscribes to, or did, newest first."""
    items = SubscriptionItem.objects.filter(payer_id=user.clerk_id).order_by("-pk")
    return list(items[:ITEMS]) if user.clerk_id else []


def _keys(user: User) -> QuerySet[ApiKey]:
    """The newest keys that are not revoked."""
    keys = ApiKey.objects.filter(account_id=user.pk, revoked_at=None)
    return keys.select_related("member").order_by("-pk")[:KEYS]


def _counts(user: User) -> dict[str, int]:
    """How many conversations, answers and images; nothing of what is in them."""
    chats: QuerySet[Any] = Conversation.objects.filter(user=user)
    counts = chats.aggregate(
        conversations=Count("pk", distinct=True), turns=Count("turns", Q(turns__isnull=False))
    )
    return {**counts, "images": Image.objects.filter(request__user=user).count()}
