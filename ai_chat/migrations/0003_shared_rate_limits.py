from django.db import migrations


class Migration(migrations.Migration):
    """The limit per minute is counted where all limits are: in credits.RateLimit."""

    dependencies = [
        ("ai_chat", "0002_images_and_limits"),
        ("credits", "0001_initial"),
    ]
    operations = [migrations.DeleteModel(name="RequestLog")]
