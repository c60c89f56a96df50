from django.apps import AppConfig


class AiChatConfig(AppConfig):
    name = "ai_chat"

    def ready(self) -> None:
        from ai_chat.data.receivers import erase_closed, stop_suspended
        from credits.signals import account_closed, account_suspended

        account_closed.connect(erase_closed, dispatch_uid="data-erase-closed")
        account_suspended.connect(stop_suspended, dispatch_uid="data-stop-suspended")
