"""Why a file is not taken."""

from config.errors import DomainError, InvalidInput


class InvalidAttachment(InvalidInput):
    """The file cannot be read, or is none of the user's; the text says why, for people."""

    path = ("file",)


class FileTooLarge(DomainError):
    """A file has more bytes than are taken."""

    status = 413
    code = "too_large"

    def __init__(self, *, limit: int) -> None:
        super().__init__(f"A file has at most {limit / 1_000_000:g} MB.", limit=limit)


class StorageFull(DomainError):
    """What the account may keep is used up."""

    status = 409
    code = "storage_full"

    def __init__(self, *, limit: int, used: int) -> None:
        super().__init__(
            f"Your files and pictures take {used / 1_000_000:,.1f} of {limit / 1_000_000:,.0f} MB. "
            "Delete some of them first.",
            limit=limit,
            used=used,
        )
