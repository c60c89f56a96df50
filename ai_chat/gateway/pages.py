"""The description of /v1 as a page, like that of the JSON API."""

from functools import cache

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path
from django.views.decorators.http import require_safe

from ai_chat.gateway.openapi import DOCUMENT
from ai_chat.gateway.shapes import Json
from credits.api.docs import page_of
from credits.keys.clients import base_url


@login_not_required
@require_safe
def reference(request: HttpRequest) -> HttpResponse:
    """Each call of /v1 with what it takes and answers."""
    return render(request, "credits/api_docs.html", {**_page(), "base_url": base_url()})


@cache
def _page() -> Json:
    title = "The API for OpenAI’s clients"
    return page_of(DOCUMENT, title=title, schema="/v1/openapi.json", who="API key")


urlpatterns = [path("api/docs/v1", reference, name="api-docs-v1")]
