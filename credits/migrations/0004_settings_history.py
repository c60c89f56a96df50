import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models
from django.db.models.functions import Now

from credits.sql import run_sql


class Migration(migrations.Migration):
    """The history of prices and plans, append-only."""

    dependencies = [("credits", "0002_kernel")]
    operations = [
        migrations.CreateModel(
            name="SettingsChange",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("actor_name", models.CharField(blank=True, max_length=254)),
                (
                    "subject",
                    models.CharField(choices=[("price", "Price"), ("plan", "Plan")], max_length=10),
                ),
                ("name", models.CharField(max_length=64)),
                ("before", models.JSONField(null=True)),
                ("after", models.JSONField(null=True)),
                ("created_at", models.DateTimeField(db_default=Now(), editable=False)),
                (
                    "actor",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="settings_changes",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(fields=["subject", "name", "-id"], name="change_of_subject")
                ],
            },
        ),
        run_sql("settings_history_v1"),
    ]
