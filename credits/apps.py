from django.apps import AppConfig
from django.contrib.auth.signals import user_logged_in
from django.db.models.signals import post_save


class CreditsConfig(AppConfig):
    name = "credits"

    def ready(self) -> None:
        from credits.clerk import conf
        from credits.clerk.billing.releases import plan_saved, release_account
        from credits.ledger import credits_due
        from credits.users.permissions import confirm
        from credits.users.sign_ins import signed_in

        conf.validate()
        user_logged_in.connect(confirm, dispatch_uid="users-confirm-session")
        # Before Django writes `last_login`, as this app is named before Django's own.
        user_logged_in.connect(signed_in, dispatch_uid="users-signed-in")
        credits_due.connect(release_account, dispatch_uid="plan-credits-due")
        post_save.connect(plan_saved, sender="credits.Plan", dispatch_uid="plan-mapped")
