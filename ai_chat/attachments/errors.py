"""Why a file is not taken."""

from django.template.defaultfilters import filesizeformat

from config.errors import DomainError, InvalidInput


class InvalidAttachment(InvalidInput):
    """The file cannot be read, or is none of the user's; the text says why, for people."""

    path = ("file",)


class FileTooLarge(DomainError):
    """A file has more bytes than are taken."""

    status = 413
    code = "too_large"

    def __init__(self, *, limit: int) -> None:
        super().__init__(f"A file has at most {filesizeformat(limit)}.", limit=limit)


class StorageFull(DomainError):
    """What the account may keep is used up."""

    status = 409
    code = "storage_full"

    def __init__(self, *, limit: int, used: int) -> None:
        super().__init__(
            f"Your files and pictures take {filesizeformat(used)} of {filesizeformat(limit)}. "
            "Delete some of them first.",
            limit=limit,
            used=used,
        )
