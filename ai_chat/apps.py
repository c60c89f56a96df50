from django.apps import AppConfig


class AiChatConfig(AppConfig):
    name = "ai_chat"

    def ready(self) -> None:
        from ai_chat.data.receivers import erase_closed, stop_calls, stop_suspended
        from credits.signals import account_closed, account_suspended, key_revoked

        account_closed.connect(erase_closed, dispatch_uid="data-erase-closed")
        account_suspended.connect(stop_suspended, dispatch_uid="data-stop-suspended")
        key_revoked.connect(stop_calls, dispatch_uid="data-stop-calls")
