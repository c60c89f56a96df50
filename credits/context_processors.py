"""What every page shows."""

from django.http import HttpRequest


def meter(request: HttpRequest) -> dict[str, object]:
    return {}
