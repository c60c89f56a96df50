from django.apps import AppConfig
from django.db.models.signals import post_save


class ClerkConfig(AppConfig):
    name = "credits.clerk"
    label = "clerk"

    def ready(self) -> None:
        from credits.clerk import billing, checks, conf

        conf.validate()
        checks.register()
        post_save.connect(
            billing.plan_saved, sender="credits.Plan", dispatch_uid="clerk-plan-mapped"
        )
