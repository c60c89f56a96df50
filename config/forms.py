"""The renderer of all forms."""

from typing import Any

from django.forms.renderers import DjangoTemplates
from django.http import HttpRequest

#: Types of inputs for free text.
WORDS = {"text", "search"}


class Renderer(DjangoTemplates):
    """Drops `maxlength`, at which a browser cuts pasted text without saying so; the form reports
    what is too long. Free text has the direction of its own script."""

    def render(
        self, template_name: str, context: dict[str, Any], request: HttpRequest | None = None
    ) -> str:
        if widget := context.get("widget"):
            widget["attrs"].pop("maxlength", None)
            if widget.get("type") in WORDS or template_name.endswith("/textarea.html"):
                widget["attrs"].setdefault("dir", "auto")
        return str(super().render(template_name, context, request))
