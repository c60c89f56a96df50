"""What the tests need beyond Python packages: a Chromium. Installs it where that takes no
questions, else says what to install."""

import os
import shutil
import subprocess
import sys

BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def main() -> None:
    if any(map(shutil.which, BROWSERS)):
        return
    if hasattr(os, "geteuid") and os.geteuid() == 0 and shutil.which("apt-get"):
        print("Installing Chromium for the browser tests…", flush=True)
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for command in (["update"], ["install", "--yes", "--no-install-recommends", "chromium"]):
            subprocess.run(["apt-get", "-qq", *command], check=True, env=environment)
    if not any(map(shutil.which, BROWSERS)):
        sys.exit(
            "The browser tests need Chromium: install the package `chromium` (Debian, Ubuntu, "
            "Fedora, Arch) or Google Chrome, so that one of "
            + ", ".join(BROWSERS)
            + " is on the PATH."
        )


if __name__ == "__main__":
    main()
