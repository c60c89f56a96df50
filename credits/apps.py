from django.apps import AppConfig


class CreditsConfig(AppConfig):
    name = "credits"

    def ready(self) -> None:
        # Listens for sign-ins.
        from credits.integrity import rollup
        from credits.users import permissions  # noqa: F401

        rollup.register()
