import django.contrib.postgres.indexes
import django.db.models.deletion
import django.db.models.functions.datetime
from django.conf import settings
from django.db import migrations, models

from credits.sql import run_sql


class Migration(migrations.Migration):
    """Closed days of the journal, summed up; an index by time; what the checks found."""

    dependencies = [
        ("credits", "0005_audit"),
    ]

    operations = [
        migrations.CreateModel(
            name="ActiveUser",
            fields=[
                (
                    "user",
                    models.OneToOneField(
                        db_constraint=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        primary_key=True,
                        related_name="activity",
                        serialize=False,
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                ("last_day", models.DateField(db_index=True)),
            ],
        ),
        migrations.CreateModel(
            name="LedgerCheck",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("ok", models.BooleanField()),
                ("checks", models.PositiveIntegerField()),
                ("rows", models.BigIntegerField()),
                ("seconds", models.FloatField()),
                ("differences", models.JSONField(default=list)),
                ("started_at", models.DateTimeField()),
            ],
        ),
        migrations.CreateModel(
            name="UsageDay",
            fields=[
                ("day", models.DateField(primary_key=True, serialize=False)),
                ("rows", models.BigIntegerField()),
                ("active_users", models.BigIntegerField()),
                (
                    "closed_at",
                    models.DateTimeField(db_default=django.db.models.functions.datetime.Now()),
                ),
            ],
        ),
        migrations.CreateModel(
            name="UsageSlice",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("operation_type", models.CharField(max_length=40)),
                ("kind", models.CharField(max_length=20)),
                ("model", models.TextField(blank=True)),
                ("reason", models.TextField(blank=True)),
                ("rows", models.BigIntegerField()),
                ("credits", models.BigIntegerField()),
                ("first_id", models.BigIntegerField()),
                ("last_id", models.BigIntegerField()),
            ],
        ),
        migrations.AddIndex(
            model_name="usagehistory",
            index=django.contrib.postgres.indexes.BrinIndex(
                autosummarize=True, fields=["created_at"], name="usage_by_time", pages_per_range=32
            ),
        ),
        migrations.AddField(
            model_name="usageslice",
            name="day",
            field=models.ForeignKey(
                db_column="day",
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="slices",
                to="credits.usageday",
            ),
        ),
        migrations.AddIndex(
            model_name="usageslice",
            index=models.Index(fields=["day"], name="slices_of_day"),
        ),
        run_sql("rollup_v1"),
    ]
