"""Closing an account for good: its user is signed out, and name and address are erased, at once.
What the account has made goes by `account_closed` (`credits.signals`); the journal and the
balance stay, without a name."""

from copy import copy

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Q
from django.http import HttpRequest
from django.utils import timezone
from django_otp.plugins.otp_static.models import StaticDevice
from django_otp.plugins.otp_totp.models import TOTPDevice

from config.errors import DomainError
from credits.models import SignUp, User
from credits.roles import is_admin
from credits.signals import account_closed
from credits.users.limits import forgive
from credits.users.notices import notify
from credits.users.sessions import end_sessions
from credits.users.trail import Kind, record

# Jobs hold the address of their letter. One that is being sent now is deleted with the other
# finished jobs, after three days.
FORGET_LETTERS = """
DELETE FROM procrastinate_jobs
WHERE status <> 'doing' AND (
    task_name = 'users.send_letter' AND (args ->> 'user_id')::bigint = %s
    OR task_name = 'users.send_reset' AND lower(args ->> 'email') = %s)
"""


class LastAdmin(DomainError):
    """The account is that of the last admin."""

    status = 409
    code = "last_admin"

    def __init__(self) -> None:
        super().__init__("You are the only admin here. Make somebody else one first.")


@transaction.atomic
def close_own_account(*, user: User, request: HttpRequest) -> None:
    """Closes a local account at its user's request, and notifies them. Raises LastAdmin."""
    _refuse_last_admin(user)
    record(Kind.CLOSED, user=user, request=request)
    before = copy(user)
    close(user)
    what = "Your account was closed. Its chats and pictures are being erased."
    notify(user=before, what=what, request=request)


@transaction.atomic
def close(user: User) -> None:
    """Closes an account; closing it again changes nothing. It cannot sign in or spend any more, and
    its address is free for another account."""
    user.refresh_from_db(from_queryset=User.objects.select_for_update())
    email, is_first = user.email, user.closed_at is None
    user.is_active, user.is_staff, user.is_superuser = False, False, False
    user.name, user.email, user.new_email, user.email_proved_at = "", None, None, None
    user.second_factor_at, user.closed_at = None, user.closed_at or timezone.now()
    user.set_unusable_password()
    user.save()
    end_sessions(user_id=user.pk)
    for devices in (TOTPDevice, StaticDevice):
        devices.objects.filter(user=user).delete()
    if email:
        forgive(email)
        SignUp.objects.filter(email=email).delete()
    with connection.cursor() as cursor:
        cursor.execute(FORGET_LETTERS, [user.pk, (email or "").lower()])
    if is_first:
        account_closed.send(sender=User, user_id=user.pk)


def _refuse_last_admin(user: User) -> None:
    if not is_admin(user):
        return
    # Locked in one order: of two admins who leave at the same moment the second sees the first go.
    active = User.objects.filter(is_active=True).order_by("pk")
    list(active.filter(is_staff=True).select_for_update().values_list("pk", flat=True))
    ids = settings.ADMIN_USER_IDS
    numbers = [int(name) for name in ids if name.isdecimal()]
    named = Q(is_staff=True) | Q(pk__in=numbers) | Q(clerk_id__in=ids)
    by_address = Q(clerk_identity__email__in=settings.ADMIN_EMAILS)
    if not any(is_admin(other) for other in active.filter(named | by_address).exclude(pk=user.pk)):
        raise LastAdmin
