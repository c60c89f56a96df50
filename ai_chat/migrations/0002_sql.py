from django.db import migrations

from credits.sql import run_sql


class Migration(migrations.Migration):
    dependencies = [("ai_chat", "0001_initial"), ("credits", "0002_sql")]
    operations = [
        run_sql("ai_chat/sql/jobs"),
        run_sql("ai_chat/sql/conversations"),
        run_sql("ai_chat/sql/search"),
    ]
