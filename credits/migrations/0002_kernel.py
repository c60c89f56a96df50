from django.db import migrations

from credits.sql import run_sql


class Migration(migrations.Migration):
    """The rules (triggers) and the kernel (functions) of the ledger."""

    dependencies = [("credits", "0001_tables")]
    operations = [run_sql("rules_v1"), run_sql("kernel_v1")]
