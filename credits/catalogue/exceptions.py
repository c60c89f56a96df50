"""Why a price, plan, model or provider was not changed. Nothing was, whichever of these is
raised."""

from config.errors import DomainError, InvalidInput


class InvalidValue(InvalidInput):
    """A value that its field does not take; `path` names the field, as JSON does."""

    def __init__(self, message: str, *path: str | int) -> None:
        super().__init__(message, path)


class ChangedMeanwhile(DomainError):
    """Somebody else has changed this since it was read; the member `version` is what it is at."""

    status = 409
    code = "changed_meanwhile"

    def __init__(self, version: str) -> None:
        message = "Somebody else has changed this meanwhile. Look at it again."
        super().__init__(message, version=version)


class NameTaken(DomainError):
    """Another row of this kind (`plan`, `model`, `provider`, `pack`) has this name, a plan its
    Clerk id."""

    status = 409
    code = "duplicate"

    def __init__(self, kind: str, name: str) -> None:
        super().__init__(f"There is a {kind} {name} already.")


class NotInCatalogue(DomainError):
    """No row of this kind (`plan`, `model`, `provider`, `pack`) has this name."""

    status = 404
    code = "not_found"

    def __init__(self, kind: str, name: str) -> None:
        super().__init__(f"There is no {kind} {name!r}.")


class InUse(DomainError):
    """Models name this plan or provider: it cannot be removed."""

    status = 409
    code = "in_use"


class CannotUndo(DomainError):
    """What a change left behind is not there any more; the message says why."""

    status = 409
    code = "cannot_undo"
