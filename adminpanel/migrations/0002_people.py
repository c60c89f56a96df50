from django.db import migrations

from adminpanel.sql import run_sql


class Migration(migrations.Migration):
    """An index to find people by, and what keeps a request for an adjustment as it was asked."""

    dependencies = [("adminpanel", "0001_adjustment_requests")]

    operations = [run_sql("requests_v1"), run_sql("people_v1")]
