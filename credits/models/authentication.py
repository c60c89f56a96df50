"""The trail of authentication: who signed in, from where, and what they changed of how they do."""

from django.db import models
from django.db.models.functions import Now

from config.user_agents import describe
from credits.models.users import User


class AuthenticationEvent(models.Model):
    """One event of an account's authentication, kept for AUTHENTICATION_DAYS. It holds no secret,
    and no address that somebody tried who has no account."""

    class Kind(models.TextChoices):
        SIGNED_IN = "signed_in", "Signed in"
        SIGNED_OUT = "signed_out", "Signed out"
        SIGNED_UP = "signed_up", "Account made"
        WRONG_PASSWORD = "wrong_password", "Wrong password"
        WRONG_CODE = "wrong_code", "Wrong code"
        LOCKED_OUT = "locked_out", "Locked out"
        CONFIRMED = "confirmed", "Confirmed that it is them"
        PASSWORD_CHANGED = "password_changed", "Password changed"
        RESET_ASKED = "reset_asked", "Asked for a new password"
        PASSWORD_RESET = "password_reset", "Password set by a letter"
        ADDRESS_ASKED = "address_asked", "Asked for a new address"
        ADDRESS_PROVED = "address_proved", "Address proved"
        ADDRESS_CHANGED = "address_changed", "Address changed"
        SECOND_FACTOR_ADDED = "second_factor_added", "Second factor added"
        SECOND_FACTOR_REMOVED = "second_factor_removed", "Second factor removed"
        RECOVERY_CODE_USED = "recovery_code_used", "Recovery code used"
        RECOVERY_CODES_MADE = "recovery_codes_made", "New recovery codes"
        SESSION_ENDED = "session_ended", "Session ended"
        KEY_MADE = "key_made", "API key made"
        KEY_ROLLED = "key_rolled", "New secret of an API key"
        KEY_REVOKED = "key_revoked", "API key revoked"
        BECAME_ADMIN = "became_admin", "Became an admin"
        NO_ADMIN = "no_admin", "Is no admin any more"
        CLOSED = "closed", "Account closed"

    #: None for a name that has no account.
    user = models.ForeignKey(
        User, models.CASCADE, null=True, related_name="authentication_events", db_index=False
    )
    kind = models.CharField(max_length=30, choices=Kind)
    #: Where it came from: `config.addresses.client_address`.
    address = models.CharField(max_length=64, blank=True)
    #: The program that asked, from its User-Agent, shortened.
    device = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        indexes = [
            models.Index(fields=["user", "-id"], name="authentication_of_user"),
            models.Index(fields=["created_at"], name="authentication_by_time"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.user or 'nobody'}"

    @property
    def program(self) -> str:
        """The device as people read it: "Firefox on Linux"; nothing where none asked."""
        return describe(self.device) if self.device else ""
