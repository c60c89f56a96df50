"""Installs the clients: `python -m tests.clients`. Says which could not be; they are not tried."""

import sys

from tests.clients.environments import PACKAGES, install, is_installed


def main() -> None:
    for group in PACKAGES:
        if problem := install(group):
            print(f"Not installed, and not tried: {', '.join(PACKAGES[group])}:\n{problem}")
    if not any(map(is_installed, PACKAGES)):
        sys.exit("No client could be installed.")


if __name__ == "__main__":
    main()
