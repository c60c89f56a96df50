"""The desk beside a site that Clerk delivers to."""

from tests.credits.clerk.conftest import clerk_configured, deliver, fake

__all__ = ["clerk_configured", "deliver", "fake"]
