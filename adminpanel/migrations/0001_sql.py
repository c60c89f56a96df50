from django.db import migrations

from credits.sql import run_sql


class Migration(migrations.Migration):
    """An index to find people by."""

    dependencies = [("credits", "0002_sql")]
    operations = [run_sql("adminpanel/sql/people")]
