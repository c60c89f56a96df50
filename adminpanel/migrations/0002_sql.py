from django.db import migrations

from credits.sql import run_sql


class Migration(migrations.Migration):
    """What keeps a request for an adjustment as it was asked, and an index to find people by."""

    dependencies = [("adminpanel", "0001_initial"), ("credits", "0002_sql")]
    operations = [run_sql("adminpanel/sql/requests"), run_sql("adminpanel/sql/people")]
