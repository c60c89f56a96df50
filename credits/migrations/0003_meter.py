from django.db import migrations

from credits.sql import run_sql


class Migration(migrations.Migration):
    """The one query behind an unchanged meter."""

    dependencies = [("credits", "0002_kernel"), ("sessions", "0001_initial")]
    operations = [run_sql("meter_v1")]
