"""The Unix user that the server runs as."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from .server_files import SET_DATABASE_URL, SetupError

YES, NO, CANNOT_BECOME = range(3)


def make_directory(directory: Path) -> None:
    """Ours alone; made by root, the user that the server runs as may pass through."""
    if not directory.exists():
        # Another process may be making it at this moment: both were first to look.
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        if os.geteuid() == 0:
            directory.chmod(0o711)  # Whatever the umask says.


class UnixUser(NamedTuple):
    """A user and group to become; None stands for this process' own."""

    user: int | None
    group: int | None

    @property
    def uid(self) -> int:
        return os.geteuid() if self.user is None else self.user

    @property
    def extra_groups(self) -> list[int] | None:
        """Further groups for `subprocess`: none for another user, unchanged for ourselves."""
        return None if self.user is None else []

    def create_directory(self, directory: Path) -> None:
        """Makes the directory, with mode 0700, and gives it to the user."""
        directory.mkdir(mode=0o700, exist_ok=True)
        if self.user is not None and self.group is not None:
            # Never through a link that somebody planted.
            os.chown(directory, self.user, self.group, follow_symlinks=False)

    def can(self, check: Callable[[], bool]) -> bool:
        """Whether `check` holds for the user, asked in a child that has become it."""
        if self.user is None or self.group is None:
            return check()
        if (child := os.fork()) == 0:
            answer = CANNOT_BECOME
            try:
                os.setgroups([])
                os.setgid(self.group)
                os.setuid(self.user)
                answer = NO
                answer = YES if check() else NO
            finally:
                os._exit(answer)  # Nothing of the parent's may run in the child.
        answer = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if answer == CANNOT_BECOME:
            raise SetupError(
                f"PostgreSQL does not run as root, and this root cannot become uid {self.user}. "
                f"Run Tally as an ordinary user, or {SET_DATABASE_URL}."
            )
        return answer == YES
