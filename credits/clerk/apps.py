from django.apps import AppConfig
from django.db.models.signals import post_save


class ClerkConfig(AppConfig):
    name = "credits.clerk"
    label = "clerk"

    def ready(self) -> None:
        from credits.clerk import conf
        from credits.clerk.billing.releases import plan_saved

        conf.validate()
        post_save.connect(plan_saved, sender="credits.Plan", dispatch_uid="clerk-plan-mapped")
