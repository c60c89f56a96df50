from django.db import migrations


class Migration(migrations.Migration):
    """The log of the limit per minute needs no write-ahead log: a crash may forget who sent what in
    the last minute, and each paid request waits for one flush to the disk instead of two."""

    dependencies = [("ai_chat", "0002_images_and_limits")]
    operations = [
        migrations.RunSQL(
            "ALTER TABLE ai_chat_requestlog SET UNLOGGED",
            "ALTER TABLE ai_chat_requestlog SET LOGGED",
        )
    ]
