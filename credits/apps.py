from django.apps import AppConfig
from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.db.models.signals import post_save


class CreditsConfig(AppConfig):
    name = "credits"

    def ready(self) -> None:
        from credits.clerk import conf
        from credits.clerk.billing.releases import plan_saved, release_account
        from credits.events.endpoints import delete_all
        from credits.keys.services import forget_keys
        from credits.ledger import credits_due
        from credits.limits.setting import remove_all
        from credits.signals import account_closed
        from credits.users import trail
        from credits.users.notices import notify_of_new_place
        from credits.users.permissions import confirm

        conf.validate()
        account_closed.connect(delete_all, dispatch_uid="webhooks-of-closed")
        account_closed.connect(remove_all, dispatch_uid="limits-of-closed")
        account_closed.connect(forget_keys, dispatch_uid="keys-of-closed")
        user_logged_in.connect(confirm, dispatch_uid="users-confirm-session")
        # Before the trail records this sign-in, and before Django writes `last_login`: this app
        # comes before Django's own in INSTALLED_APPS.
        user_logged_in.connect(notify_of_new_place, dispatch_uid="users-new-place")
        user_logged_in.connect(trail.signed_in, dispatch_uid="trail-signed-in")
        user_logged_out.connect(trail.signed_out, dispatch_uid="trail-signed-out")
        credits_due.connect(release_account, dispatch_uid="plan-credits-due")
        post_save.connect(plan_saved, sender="credits.Plan", dispatch_uid="plan-mapped")
