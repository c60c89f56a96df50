"""The forms of a link, and of a report."""

from typing import Any

from django import forms

from ai_chat.models import Share, ShareReport
from ai_chat.sharing.services import DAYS
from credits.models import User

#: Who may read: everybody with the link, or of these only who is signed in.
SIGNED_IN, ANYBODY = "signed-in", "anybody"
NEVER = ""


class ShareForm(forms.Form):
    """Who may read a link, and until when."""

    who = forms.ChoiceField(
        label="Who can read it",
        choices=[(SIGNED_IN, "People signed in here"), (ANYBODY, "Anyone with the link")],
        initial=SIGNED_IN,
        widget=forms.RadioSelect,
    )
    days = forms.ChoiceField(
        label="Expires",
        choices=[
            *((str(days), f"after {days} day{'s' if days > 1 else ''}") for days in DAYS),
            (NEVER, "never, until I end it"),
        ],
        initial="30",
        required=False,
        widget=forms.Select(attrs={"class": "f"}),
    )
    named = forms.BooleanField(label="Show my name", required=False)
    anew = forms.BooleanField(label="Show what the chat shows now", required=False)

    use_required_attribute = False

    def __init__(self, data: Any = None, *, user: User, share: Share | None = None) -> None:
        initial = _initial(share) if share else {}
        ids = f"id_{share.pk}_%s" if share else "id_%s"
        super().__init__(data, initial=initial, auto_id=ids)
        self.user = user
        if not user.name:
            del self.fields["named"]
        if share is None or share.conversation_id is None:
            del self.fields["anew"]

    @property
    def values(self) -> dict[str, Any]:
        """What `share_chat` takes."""
        data = self.cleaned_data
        return {
            "for_anybody": data["who"] == ANYBODY,
            "days": int(data["days"]) if data["days"] else None,
            "author": self.user.name if data.get("named") else "",
        }


def _initial(share: Share) -> dict[str, Any]:
    return {
        "who": ANYBODY if share.for_anybody else SIGNED_IN,
        "days": "30" if share.expires_at else NEVER,
        "named": bool(share.author),
    }


class ReportForm(forms.Form):
    """What a reader says is wrong."""

    reason = forms.ChoiceField(
        label="What is wrong?",
        choices=[("", "Choose"), *ShareReport.Reason.choices],
        widget=forms.Select(attrs={"class": "f"}),
        error_messages={
            "required": "Choose what is wrong.",
            "invalid_choice": "Choose one of these.",
        },
    )
    text = forms.CharField(
        label="In your words (optional)",
        required=False,
        max_length=1000,
        widget=forms.Textarea(attrs={"rows": 4, "class": "f"}),
    )

    use_required_attribute = False
