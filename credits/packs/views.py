"""The page on which somebody redeems a code; the account's page has its form too."""

from django import forms
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from config.addresses import client_address
from config.errors import DomainError
from credits.http import AuthenticatedHttpRequest
from credits.packs.redeeming import Redemption, redeem


class RedeemForm(forms.Form):
    """A code as somebody typed it; `credits.packs.codes` says what is one."""

    code = forms.CharField(
        error_messages={"required": "Write the code."},
        strip=False,
        widget=forms.TextInput(
            attrs={"autocomplete": "off", "autocapitalize": "characters", "spellcheck": "false"}
        ),
    )
    use_required_attribute = False


@sensitive_post_parameters("code")
@require_http_methods(["GET", "HEAD", "POST"])
def redeem_code(request: AuthenticatedHttpRequest) -> HttpResponse:
    """Redeems a code, and leads to its line in the statement."""
    form = RedeemForm(request.POST if request.method == "POST" else None)
    if not form.is_valid():
        return render(
            request, "credits/redeem.html", {"form": form}, status=422 if form.is_bound else 200
        )
    code, address = form.cleaned_data["code"], client_address(request)
    try:
        done = redeem(user=request.user, code=code, address=address)
    except DomainError as error:
        form.add_error("code", str(error))
        answer = render(request, "credits/redeem.html", {"form": form}, status=error.status)
        if error.retry_seconds is not None:
            answer["Retry-After"] = str(error.retry_seconds)
        return answer
    messages.success(request, _sentence(done))
    return redirect(f"{reverse('usage')}?row={done.usage_id}#row-{done.usage_id}")


def _sentence(done: Redemption) -> str:
    plural = "" if done.credits == 1 else "s"
    if done.replayed:
        day = f"{done.at:%-d %B %Y}"
        return f"You redeemed this code on {day}: it brought {done.credits:,} credit{plural}."
    return f"{done.credits:,} credit{plural} came: you have {done.balance:,} now."
