"""Draws the icons of the installed app from static/favicon.svg: `python -m tests.icons`. They are
kept in the repository, as few have a browser where the site is built."""

from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.e2e.browser import launch

STATIC = Path(__file__).parent.parent / "static"
#: File: size in pixels, whether the ground reaches the corners, share of the mark. Of a maskable
#: icon a circle of 80 % is always seen: https://www.w3.org/TR/appmanifest/#icon-masks.
ICONS = {
    "any-192": (192, False, 1.0),
    "any-512": (512, False, 1.0),
    "maskable-512": (512, True, 0.78),
    "apple-touch": (180, True, 0.9),
}


def main() -> None:
    """Writes each icon to static/icons/."""
    drawing = (STATIC / "favicon.svg").read_text()
    with sync_playwright() as playwright:
        browser = launch(playwright)
        for name, (size, is_full, share) in ICONS.items():
            svg = drawing.replace(' rx="7"', "") if is_full else drawing
            placed = f"translate(16 16) scale({share}) translate(-16 -16)"
            svg = svg.replace("<g ", f'<g transform="{placed}" ').replace(
                "<svg ", f'<svg width="{size}" height="{size}" style="display: block" '
            )
            page = browser.new_page(viewport={"width": size, "height": size})
            page.set_content(f'<body style="margin: 0; background: transparent">{svg}')
            page.screenshot(path=STATIC / "icons" / f"{name}.png", omit_background=True)
        browser.close()


if __name__ == "__main__":
    main()
