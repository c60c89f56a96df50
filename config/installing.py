"""What makes the site an app that can be installed: its manifest, and a service worker that shows a
page of ours where the network is away. Nothing of it depends on who asks."""

from hashlib import sha256

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string
from django.templatetags.static import static
from django.urls import reverse
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_safe

#: Ends the addresses of what the offline page is made of, so that the service worker answers for
#: these and for nothing that other pages ask for.
KEPT = "?offline"
KEPT_FILES = ("css/tally.css", "favicon.svg")
#: Of `--paper` and `--accent` in css/tally.css; a manifest knows one scheme.
PAPER, ACCENT = "#fbfaf7", "#0f6445"


@login_not_required
@require_safe
@cache_control(no_cache=True)
def manifest(_request: HttpRequest) -> JsonResponse:
    """The web app manifest: https://www.w3.org/TR/appmanifest/."""
    sizes = (("192", "any"), ("512", "any"), ("512", "maskable"))
    pages = (("New chat", "chat"), ("Images", "images"), ("Usage", "usage"))
    content = {
        "id": "/",
        "name": "Tally",
        "short_name": "Tally",
        "description": "Metered AI chat and images, with the price known before.",
        "lang": "en",
        "start_url": reverse("chat"),
        "scope": "/",
        "display": "standalone",
        "background_color": PAPER,
        "theme_color": PAPER,
        "icons": [
            {
                "src": static(f"icons/{purpose}-{size}.png"),
                "sizes": f"{size}x{size}",
                "type": "image/png",
                "purpose": purpose,
            }
            for size, purpose in sizes
        ],
        "shortcuts": [{"name": title, "url": reverse(name)} for title, name in pages],
    }
    return JsonResponse(content, content_type="application/manifest+json")


@login_not_required
@require_safe
@cache_control(no_cache=True)
def service_worker(_request: HttpRequest) -> HttpResponse:
    """The service worker, at the root so that it may answer for every page. It is another text,
    and browsers take it, whenever the offline page or a file of it is another."""
    context = {
        "version": sha256(_offline_page().encode()).hexdigest()[:16],
        "files": [f"{static(name)}{KEPT}" for name in KEPT_FILES],
    }
    script = render_to_string("service-worker.js", context)
    return HttpResponse(script, content_type="text/javascript; charset=utf-8")


@login_not_required
@require_safe
@cache_control(no_cache=True)
def offline(_request: HttpRequest) -> HttpResponse:
    """What the service worker shows while the site cannot be reached."""
    return HttpResponse(_offline_page())


def _offline_page() -> str:
    # Without the request: nothing of a session can be on it.
    return render_to_string("offline.html", {"kept": KEPT})
