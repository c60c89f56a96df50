"""API keys: with one a program acts for an account, on `/v1` and nowhere else (I12,
`credits/sql/keys.sql`)."""

import re
import secrets
import string

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import CASCADE, PROTECT, CheckConstraint, Q, UniqueConstraint
from django.db.models.functions import Length, Now
from django.db.models.lookups import Exact

from credits.models.users import Account, User

#: Letters and digits, in the order of their values.
BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase
#: What `new_public_id` makes.
PUBLIC_ID = re.compile("key_[0-9A-Za-z]{16}")
#: Bytes of a digest (SHA-256).
DIGEST_BYTES = 32


def new_public_id() -> str:
    """A name for a key that says nothing: `key_` and 16 letters and digits."""
    return "key_" + "".join(secrets.choice(BASE62) for _ in range(16))


def default_scopes() -> list[str]:
    """What a key may do unless its maker says otherwise."""
    return [ApiKey.Scope.INFERENCE.value]


class ApiKey(models.Model):
    """A key for programs, and what it may do. What opens the door is one of its secrets."""

    class Scope(models.TextChoices):
        """What a key may be used for. What it is itself, and what is left of it, each may ask."""

        INFERENCE = "inference", "Call models"
        USAGE_READ = "usage:read", "Read what the account has used"

    #: Its name in addresses, JSON and logs.
    public_id = models.CharField(max_length=24, unique=True, default=new_public_id, editable=False)
    account = models.ForeignKey(Account, PROTECT, related_name="api_keys")
    #: Who made it and is taken to act through it.
    member = models.ForeignKey(User, PROTECT, related_name="api_keys")
    name = models.CharField(max_length=100)
    scopes = ArrayField(models.CharField(max_length=20, choices=Scope), default=default_scopes)
    #: Names of models; null: all.
    only_models = ArrayField(models.CharField(max_length=120), null=True)
    #: Calls in a minute; null: API_CALLS_PER_MINUTE, which it cannot exceed.
    calls_per_minute = models.PositiveIntegerField(null=True)
    expires_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = [
            CheckConstraint(
                condition=Q(scopes__contained_by=["inference", "usage:read"]),
                name="api_key_scopes_known",
            ),
            CheckConstraint(condition=Q(calls_per_minute__gte=1), name="api_key_calls_per_minute"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def label(self) -> str:
        """Its name; that of a closed account has none any more."""
        return self.name or self.public_id


class ApiKeySecret(models.Model):
    """A secret of a key, of which only the digest is kept. A key that was rolled has two for a
    time: the former ends at `valid_until`."""

    key = models.ForeignKey(ApiKey, CASCADE, related_name="secrets")
    #: SHA-256 (`credits.keys.secrets.digest_of`).
    digest = models.BinaryField(max_length=DIGEST_BYTES)
    #: The last characters of the secret, by which its owner knows it.
    hint = models.CharField(max_length=4)
    valid_until = models.DateTimeField(null=True)
    #: To a minute (`credits.keys.lookup`).
    last_used_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints = [
            UniqueConstraint(fields=["digest"], name="i12_digest_once"),
            CheckConstraint(
                condition=Exact(Length("digest"), DIGEST_BYTES), name="i12_digest_whole"
            ),
        ]

    def __str__(self) -> str:
        return f"secret of key {self.key_id}"
