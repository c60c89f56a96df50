from django.db import migrations


class Migration(migrations.Migration):
    """The limit per minute is counted where all limits are: in credits.RateLimit."""

    dependencies = [
        ("ai_chat", "0002_images_and_limits"),
        ("credits", "0007_rate_limits"),
    ]
    operations = [migrations.DeleteModel(name="RequestLog")]
