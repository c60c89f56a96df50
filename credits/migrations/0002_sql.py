from django.db import migrations

from credits.sql import run_sql


class Migration(migrations.Migration):
    """The rules and functions of the ledger, and what else PostgreSQL keeps by itself."""

    dependencies = [("credits", "0001_initial")]
    operations = [
        run_sql("credits/sql/rules"),
        run_sql("credits/sql/accounts"),
        run_sql("credits/sql/keys"),
        run_sql("credits/sql/prices"),
        run_sql("credits/sql/kernel"),
        run_sql("credits/sql/ends"),
        run_sql("credits/sql/reads"),
        run_sql("credits/sql/limits"),
        run_sql("credits/sql/tokens"),
        run_sql("credits/sql/plans"),
        run_sql("credits/sql/records"),
        run_sql("credits/sql/codes"),
        run_sql("credits/sql/rollup"),
        run_sql("credits/sql/sessions"),
        run_sql("credits/sql/rate_limits"),
    ]
