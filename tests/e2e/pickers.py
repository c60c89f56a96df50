"""Choosing a model as people do."""

from playwright.sync_api import Page, expect


def choose_model(page: Page, label: str, *, picker: str = "Model") -> None:
    """Opens the picker and chooses the model with this label."""
    button = page.get_by_role("button", name=f"{picker}: ")
    button.click()
    page.get_by_role("option", name=label).click()
    expect(button).to_have_text(f"{picker}: {label}")
