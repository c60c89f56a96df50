"""Who pays (accounts) and who signs in: users, their sessions, and what is counted against them."""

from importlib import import_module
from typing import Any

from django.conf import settings
from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.contrib.postgres.fields import ArrayField
from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.base_session import AbstractBaseSession
from django.db import models
from django.db.models import CheckConstraint, Func, Q, Value
from django.db.models.functions import Lower, Now

from config.user_agents import describe


class Account(models.Model):
    """A payer: balances, grants and the journal belong to an account, not to who signs in.

    A user's own account has the user's id; the database makes it together with the user
    (`credits/sql/accounts.sql`). All ids come from one sequence, so an id names one payer."""

    class Kind(models.TextChoices):
        PERSONAL = "personal", "Personal"

    id = models.BigIntegerField(
        primary_key=True,
        db_default=Func(Value("credits_user_id_seq"), function="nextval"),
        editable=False,
    )
    kind = models.CharField(max_length=10, choices=Kind)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = [CheckConstraint(condition=Q(kind="personal"), name="account_kind_known")]

    def __str__(self) -> str:
        return f"account {self.pk}"


class Membership(models.Model):
    """Who acts for an account. A person's own account has its user as the owner, from the
    beginning (`credits/sql/accounts.sql`)."""

    class Role(models.TextChoices):
        OWNER = "owner", "Owner"

    account = models.ForeignKey(
        Account, models.DB_CASCADE, related_name="memberships", db_index=False
    )
    user = models.ForeignKey("User", models.DB_CASCADE, related_name="memberships")
    role = models.CharField(max_length=10, choices=Role)
    since = models.DateTimeField(db_default=Now(), editable=False)
    until = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["account", "user"], name="member_of_account_once")
        ]

    def __str__(self) -> str:
        return f"{self.user_id} in account {self.account_id}"


class UserManager(BaseUserManager["User"]):
    def create_user(self, email: str, password: str | None = None, **fields: object) -> "User":
        """A new account; the address is kept in lower case."""
        user = self.model(email=email.strip().lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: object) -> "User":
        return self.create_user(email, password, is_staff=True, is_superuser=True, **fields)

    def get_by_natural_key(self, username: str | None) -> "User":
        return self.get(email=(username or "").strip().lower())


class User(AbstractBaseUser, PermissionsMixin):
    """Who signs in. The credits are those of the account with the same id. A user whose account
    ever moved credits is not deleted, only deactivated: the ledger refers to it."""

    email = models.EmailField(unique=True, null=True)
    name = models.CharField(max_length=150, blank=True)
    clerk_id = models.CharField(max_length=64, unique=True, null=True, blank=True)
    #: When the owner of the present address opened our letter to it; local accounts only.
    email_proved_at = models.DateTimeField(null=True, editable=False)
    #: When the present second factor was set up; None without one. It names the factor: a session
    #: that passed it holds this time (`credits.users.second_factor`).
    second_factor_at = models.DateTimeField(null=True, editable=False)
    #: The address that this account asked for, until a letter to it is answered.
    new_email = models.EmailField(null=True, editable=False)
    is_active = models.BooleanField(default=True)
    #: When the account was closed for good (`credits.users.closing`); such a user is not active.
    closed_at = models.DateTimeField(null=True, editable=False)
    is_staff = models.BooleanField("is admin", default=False)
    #: Whether alerts go to the address too (`credits.events.announcing`).
    alerts_by_mail = models.BooleanField(default=True, db_default=True)
    #: Whether answers of the API are kept for a while, so that programs can go on from them.
    keeps_answers = models.BooleanField(default=True, db_default=True)
    date_joined = models.DateTimeField(db_default=Now(), editable=False)

    objects = UserManager()
    USERNAME_FIELD = "email"
    REQUIRED_FIELDS = []

    class Meta:
        constraints = [
            CheckConstraint(condition=Q(email=Lower("email")), name="user_email_lower_case")
        ]

    def __str__(self) -> str:
        return self.email or self.name or self.clerk_id or f"user {self.pk}"


class SignUp(models.Model):
    """An account that somebody asked for, until the letter to its address is answered; kept for
    PASSWORD_RESET_TIMEOUT. There may be several with one address, and an account with it."""

    email = models.EmailField()
    name = models.CharField(max_length=150, blank=True)
    #: As `User.password` will be.
    password = models.CharField(max_length=128)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        indexes = [models.Index(fields=["email"], name="sign_up_email")]

    def __str__(self) -> str:
        return f"sign-up {self.pk}"


class Session(AbstractBaseSession):
    """Django's session with its user in a column, so that one statement reads both. What the list
    of one's sessions shows is written when a session begins, and by `credits.users.sessions`."""

    #: None for a session without a sign-in.
    user = models.ForeignKey(User, models.CASCADE, null=True, related_name="sessions")
    #: What the list of one's sessions shows: when it began, when it was last used (to a few
    #: minutes), and from where.
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    used_at = models.DateTimeField(db_default=Now(), editable=False)
    address = models.CharField(max_length=64, blank=True, db_default="")
    device = models.CharField(max_length=200, blank=True, db_default="")

    @property
    def program(self) -> str:
        """The device as people read it: "Firefox on Linux"."""
        return describe(self.device)

    @classmethod
    def get_session_store_class(cls) -> type[SessionBase]:
        store: type[SessionBase] = import_module(settings.SESSION_ENGINE).SessionStore
        return store

    def save(self, *, force_insert: bool = False, **options: Any) -> None:  # type: ignore[override]
        """Django makes an instance anew each time that it saves a session: an update must not take
        the defaults of its other columns for values."""
        if not force_insert:
            options["update_fields"] = ["session_data", "expire_date", "user"]
        super().save(force_insert=force_insert, **options)


class RateLimit(models.Model):
    """When somebody (the key says what, and who) did something lately (`credits.rate_limits`)."""

    key = models.CharField(max_length=300, primary_key=True)
    moments = ArrayField(models.DateTimeField())
    #: How many uses each of the moments stands for, and all of them together.
    counts = ArrayField(models.IntegerField())
    uses = models.IntegerField()

    def __str__(self) -> str:
        return self.key
