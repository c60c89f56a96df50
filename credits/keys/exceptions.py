"""Why a key was not made, changed or rolled. Nothing was, whichever of these is raised."""

from datetime import datetime

from config.errors import DomainError, TooManyRequests


class NoSuchKey(DomainError):
    """There is no such key, or it is somebody else's."""

    status = 404
    code = "not_found"

    def __init__(self) -> None:
        super().__init__("There is nothing here.")


class TooManyKeys(DomainError):
    """The account has as many keys as there can be that are not revoked."""

    status = 409
    code = "too_many_keys"

    def __init__(self, most: int) -> None:
        super().__init__(f"There are {most} keys. Revoke one first.", most=most)


class KeyRevoked(DomainError):
    """A key that was revoked stays as it is."""

    status = 409
    code = "key_revoked"

    def __init__(self) -> None:
        super().__init__("This key was revoked. Make another one.")


class RolledLately(DomainError):
    """The secret before the present one is still good: a key has two at most."""

    status = 409
    code = "rolled_lately"

    def __init__(self, until: datetime) -> None:
        super().__init__(
            "The key was rolled before, and its former secret still works. Let that end at once to "
            "have another one.",
            formerUntil=until.isoformat(),
        )


class TooManySecrets(TooManyRequests):
    """Too many keys were made or rolled in an hour."""

    def __init__(self, most: int, seconds: int) -> None:
        minutes = -(-seconds // 60)
        message = f"{most} secrets were made in an hour. Try again in {minutes} minutes."
        super().__init__(message, retry_seconds=seconds)
