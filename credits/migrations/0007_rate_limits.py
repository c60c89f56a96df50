import django.contrib.postgres.fields
from django.db import migrations, models


class Migration(migrations.Migration):
    """What limits count. Without a write-ahead log: a crash may forget who did what in the last
    minute, and a paid request waits for one flush to the disk instead of two."""

    dependencies = [("credits", "0006_rollup")]
    operations = [
        migrations.CreateModel(
            name="RateLimit",
            fields=[
                (
                    "key",
                    models.CharField(max_length=300, primary_key=True, serialize=False),
                ),
                (
                    "moments",
                    django.contrib.postgres.fields.ArrayField(base_field=models.DateTimeField()),
                ),
            ],
        ),
        migrations.RunSQL("ALTER TABLE credits_ratelimit SET UNLOGGED", migrations.RunSQL.noop),
    ]
