from django.apps import AppConfig
from django.db.models.signals import post_save


class CreditsConfig(AppConfig):
    name = "credits"

    def ready(self) -> None:
        from credits.clerk import conf
        from credits.clerk.billing.releases import plan_saved
        from credits.users import signals

        conf.validate()
        signals.connect()
        post_save.connect(plan_saved, sender="credits.Plan", dispatch_uid="plan-mapped")
