"""What the tests need beyond Python packages: a Chromium, and curl for the examples of docs/api.md.
Installs them where that takes no questions, else says what to install."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
#: The first that is found. The shell has no window to draw, which halves its work.
BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")


def main() -> None:
    missing = [package for package in ("chromium", "curl") if not is_here(package)]
    if missing and hasattr(os, "geteuid") and os.geteuid() == 0 and shutil.which("apt-get"):
        print(f"Installing {' and '.join(missing)} for the tests…", flush=True)
        apt_get("update")
        for package in missing:
            # Not every distribution has the shell as a package of its own.
            names = BROWSERS[:2] if package == "chromium" else (package,)
            any(apt_get("install", "--yes", "--no-install-recommends", name) for name in names)
    missing = [package for package in missing if not is_here(package)]
    if missing:
        sys.exit(
            f"The tests need {' and '.join(missing)}: install the package of that name (for the "
            f"browser Google Chrome will do too), so that it is on the PATH."
        )
    # WhiteNoise warns of a missing folder, and in tests a warning is an error.
    var = Path(os.environ.get("VAR_DIR") or ROOT / "var")
    (var / "static").mkdir(parents=True, exist_ok=True)


def apt_get(*command: str) -> bool:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(["apt-get", "-qq", *command], check=False, env=environment)
    return done.returncode == 0


def is_here(package: str) -> bool:
    return any(map(shutil.which, BROWSERS if package == "chromium" else (package,)))


if __name__ == "__main__":
    main()
