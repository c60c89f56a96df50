"""What browsers and proxies may keep."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponseBase
from django.utils.cache import add_never_cache_headers

type GetResponse = Callable[[HttpRequest], HttpResponseBase]


class KeptByNobody:
    """An answer that says nothing of caches is kept by none: nearly all show what is one person's,
    and the next at this browser must not find it by going back."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self.get_response(request)
        if "Cache-Control" not in response.headers:
            add_never_cache_headers(response)
        return response
