"""What the tests need beyond Python packages: a Chromium, and curl for the examples of docs/api.md;
with the argument `browsers` what `make browsers` needs. Installs them where that takes no
questions, else says what to install."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
#: The first that is found. The shell has no window to draw, which halves its work.
BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
#: Programs of which a package brings one, where they are not called as it is.
PROGRAMS = {
    "chromium": BROWSERS,
    "firefox-esr": ("firefox-esr", "firefox"),
    "webkit2gtk-driver": ("WebKitWebDriver",),
    "xvfb": ("Xvfb",),
}
#: About 150 MB more; too much for every `make test`.
OTHER_BROWSERS = ("firefox-esr", "webkit2gtk-driver", "xvfb")


def main() -> None:
    needed = OTHER_BROWSERS if "browsers" in sys.argv else ("chromium", "curl")
    missing = [package for package in needed if not is_here(package)]
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
            f"The tests need {' and '.join(missing)}: install what your system has under that name "
            f"(for chromium Google Chrome will do too), so that it is on the PATH."
        )
    # WhiteNoise warns of a missing folder, and in tests a warning is an error.
    var = Path(os.environ.get("VAR_DIR") or ROOT / "var")
    (var / "static").mkdir(parents=True, exist_ok=True)
    is_compiled = any(ROOT.glob("tests/**/*-pytest-*.pyc"))
    if "browsers" not in sys.argv and not (is_compiled or sys.dont_write_bytecode):
        compile_tests()


def compile_tests() -> None:
    """Has pytest rewrite the asserts of all tests and keep them, a half in each of two processes:
    workers, who begin together, would each rewrite all of them."""
    files = sorted(map(str, ROOT.glob("tests/**/test_*.py")))
    halves = [
        subprocess.Popen(
            [sys.executable, "-m", "pytest", "-n0", "-q", "--collect-only", *files[half::2]],
            cwd=ROOT, stdout=subprocess.DEVNULL,
        )
        for half in (0, 1)
    ]  # fmt: skip
    for process in halves:
        process.wait()


def apt_get(*command: str) -> bool:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(["apt-get", "-qq", *command], check=False, env=environment)
    return done.returncode == 0


def is_here(package: str) -> bool:
    return any(map(shutil.which, PROGRAMS.get(package, (package,))))


if __name__ == "__main__":
    main()
