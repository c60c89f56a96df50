"""The pages of a user's own keys. A new secret is in the answer to the request that made it, and
nowhere else."""

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.cache import add_never_cache_headers
from django.views.decorators.http import require_http_methods

from config.errors import DomainError
from config.pagination import paginate
from credits.amounts import as_exact_words
from credits.http import AuthenticatedHttpRequest
from credits.keys import services
from credits.keys.clients import base_url, shown_clients
from credits.keys.forms import KeyForm, RollForm
from credits.keys.services import MOST, WithSecret, find_key
from credits.keys.states import KeyState, key_states, spend_chart
from credits.models import ApiKey
from credits.statement.forms import PageForm
from credits.users.permissions import refuse_impersonated

#: Keys that were revoked, on one page.
SHOWN = 25


@require_http_methods(["GET", "HEAD", "POST"])
def keys(request: AuthenticatedHttpRequest) -> HttpResponse:
    """The user's keys, and the form that makes one."""
    account = request.user.pk
    mine = ApiKey.objects.filter(account_id=account)
    latest = mine.order_by("-pk").values_list("public_id", flat=True).first() or ""
    form = KeyForm(request.POST if request.method == "POST" else None, latest=latest)
    if request.method == "POST":
        refuse_impersonated(request)
        if made := _make(request, form):
            return _secret(request, made, is_new=True)
    wanted = PageForm(request.GET)
    place = wanted.place if wanted.is_valid() else {}
    good = mine.filter(revoked_at=None).order_by("-pk")
    page = paginate(mine.exclude(revoked_at=None), size=SHOWN, **place)
    context = {
        "form": form,
        "keys": key_states(good, limits_of=account),
        "page": page.map(key_states),
        "most": MOST,
        "clients": shown_clients(account_id=account),
        "base_url": base_url(),
    }
    status = 422 if form.errors else 200
    return render(request, "credits/keys/keys.html", context, status=status)


def _make(request: AuthenticatedHttpRequest, form: KeyForm) -> WithSecret | None:
    """The key of a form; or else the form says why not."""
    if not form.is_valid():
        return None
    user = request.user
    try:
        return services.make_key(actor=user, account_id=user.pk, request=request, **form.values)
    except DomainError as error:
        form.refuse(error)
    return None


def _secret(
    request: AuthenticatedHttpRequest, made: WithSecret, *, is_new: bool = False
) -> HttpResponse:
    """A secret, this once: no cache keeps the page."""
    [state] = key_states([made.key])
    clients = shown_clients(
        account_id=made.key.account_id, only_models=made.key.only_models, secret=made.secret
    )
    context = {
        "key": made.key, "secret": made.secret, "state": state, "is_new": is_new,
        "clients": clients, "base_url": base_url(),
    }  # fmt: skip
    answer = render(request, "credits/keys/secret.html", context)
    add_never_cache_headers(answer)
    return answer


def _own(request: AuthenticatedHttpRequest, public_id: str) -> ApiKey:
    return find_key(public_id=public_id, account_id=request.user.pk)


@require_http_methods(["GET", "HEAD", "POST"])
def key(request: AuthenticatedHttpRequest, public_id: str) -> HttpResponse:
    """One key: what it spent, and the form that changes it."""
    mine = _own(request, public_id)
    [state] = key_states([mine], limits_of=mine.account_id)
    form = KeyForm(
        request.POST if request.method == "POST" else None, key=mine, limits=_own_limits(state)
    )
    if request.method == "POST":
        refuse_impersonated(request)
        if _change(request, form, mine):
            messages.success(request, "The key is saved.")
            return redirect("key", public_id)
    chart = spend_chart(mine, today=state.now.date())
    clients = shown_clients(account_id=mine.account_id, only_models=mine.only_models)
    context = {
        "key": mine, "state": state, "form": form, "chart": chart, "clients": clients,
        "base_url": base_url(), "most": as_exact_words(chart.top) if chart else "",
    }  # fmt: skip
    status = 422 if form.errors else 200
    return render(request, "credits/keys/key.html", context, status=status)


def _own_limits(state: KeyState) -> dict[str, int]:
    """Credits by period of the limits that the account has set for the key."""
    own = [each.limit for each in state.limits if not each.limit.by_admin]
    return {limit.period: limit.credits for limit in own}


def _change(request: AuthenticatedHttpRequest, form: KeyForm, mine: ApiKey) -> bool:
    """Changes the key; or else the form says why not."""
    if form.is_valid():
        try:
            services.change_key(actor=request.user, key=mine, **form.values)
        except DomainError as error:
            form.refuse(error)
    return form.is_valid()


@require_http_methods(["GET", "HEAD", "POST"])
def roll(request: AuthenticatedHttpRequest, public_id: str) -> HttpResponse:
    """Asks how long the present secret is to work, and makes a new one."""
    mine = _own(request, public_id)
    latest = mine.secrets.order_by("-pk").values_list("pk", flat=True).first()
    form = RollForm(request.POST if request.method == "POST" else None, latest=str(latest))
    if request.method == "POST":
        refuse_impersonated(request)
        if form.is_valid():
            days = form.cleaned_data["overlap_days"]
            try:
                made = services.roll_key(
                    actor=request.user, key=mine, overlap_days=days, request=request
                )
            except DomainError as error:
                form.add_error(None, str(error))
            else:
                return _secret(request, made)
    [state] = key_states([mine])
    context = {"key": mine, "state": state, "form": form}
    status = 422 if form.errors else 200
    return render(request, "credits/keys/roll.html", context, status=status)


@require_http_methods(["GET", "HEAD", "POST"])
def revoke(request: AuthenticatedHttpRequest, public_id: str) -> HttpResponse:
    """Asks whether to revoke a key, and does it."""
    mine = _own(request, public_id)
    if request.method != "POST":
        [state] = key_states([mine])
        return render(request, "credits/keys/revoke.html", {"key": mine, "state": state})
    refuse_impersonated(request)
    stop = request.POST.get("stop") == "1"
    services.revoke_key(actor=request.user, key=mine, stop=stop, request=request)
    messages.success(request, "The key is revoked: nothing more is charged in its name.")
    return redirect("keys")
