"""How every form is drawn."""

from typing import Any

from django.forms.renderers import DjangoTemplates
from django.http import HttpRequest

#: What people write words into.
WORDS = {"text", "search"}


class Renderer(DjangoTemplates):
    """Fields that lose nothing of what is pasted: a browser cuts it at `maxlength` without a word,
    while a form says what is too long. Words run in the direction of their own script."""

    def render(
        self, template_name: str, context: dict[str, Any], request: HttpRequest | None = None
    ) -> str:
        if widget := context.get("widget"):
            widget["attrs"].pop("maxlength", None)
            if widget.get("type") in WORDS or template_name.endswith("/textarea.html"):
                widget["attrs"].setdefault("dir", "auto")
        return str(super().render(template_name, context, request))
