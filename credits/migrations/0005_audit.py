import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models
from django.db.models.functions import Now

from credits.sql import run_sql


class Migration(migrations.Migration):
    """The record of what admins do, append-only."""

    dependencies = [
        ("credits", "0004_settings_history"),
    ]

    operations = [
        migrations.CreateModel(
            name="AuditEntry",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("actor_name", models.CharField(blank=True, max_length=254)),
                ("action", models.CharField(max_length=40)),
                ("target", models.CharField(blank=True, max_length=254)),
                ("before", models.JSONField(null=True)),
                ("after", models.JSONField(null=True)),
                ("reason", models.CharField(blank=True, max_length=500)),
                ("origin", models.CharField(max_length=64)),
                ("created_at", models.DateTimeField(db_default=Now(), editable=False)),
                (
                    "actor",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="audit_entries",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.PROTECT,
                        related_name="touched_by",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "indexes": [
                    models.Index(fields=["action", "-id"], name="audit_of_action"),
                    models.Index(fields=["actor", "-id"], name="audit_of_actor"),
                    models.Index(fields=["user", "-id"], name="audit_of_user"),
                ],
            },
        ),
        run_sql("audit_v1"),
    ]
