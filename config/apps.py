from django.apps import AppConfig


class TallyConfig(AppConfig):
    """The project itself: its commands (`run`) and nothing with tables."""

    name = "config"
