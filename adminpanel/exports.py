"""Files that admins download are recorded, as everything that they do is."""

from adminpanel.forms import FilterForm
from credits import audit
from credits.http import AuthenticatedHttpRequest
from credits.models import AuditEntry


def exported(request: AuthenticatedHttpRequest, what: str, form: FilterForm) -> AuditEntry:
    """Records, before the first byte, that an admin takes all that the form's filters let
    through."""
    return audit.record(
        actor=request.user,
        action=f"{what}.export",
        target=what,
        user_id=getattr(form.cleaned_data.get("user"), "pk", None),
        after=form.in_use or None,
    )
