from django.db import migrations

from credits.sql import run_sql


class Migration(migrations.Migration):
    dependencies = [("credits", "0008_sessions")]
    operations = [run_sql("session_v1")]
