from django.apps import AppConfig


class CreditsConfig(AppConfig):
    name = "credits"

    def ready(self) -> None:
        # Listens for sign-ins.
        from credits import (
            permissions,  # noqa: F401
            rollup_checks,
        )

        rollup_checks.register()
