"""GET /api/admin/health/credits-enum, and a feature that is added in one place."""

import json
import subprocess
import sys

import pytest
from django.db import connection

from credits.features import ALL_FEATURES, FEATURE_CREDIT_COSTS
from credits.models import User
from tests.api import Api
from tests.live import _environment
from tests.processes import ROOT

HEALTH = "/api/admin/health/credits-enum"


def test_every_feature_maps_in_python_and_in_the_database(admin: User) -> None:
    assert Api(admin).get(HEALTH).json() == {
        "ok": True,
        "mappings": [
            {
                "feature": key,
                "operationType": feature.operation_type,
                "inPython": True,
                "inDatabase": True,
            }
            for key, feature in ALL_FEATURES.items()
        ],
    }


def test_a_database_that_would_refuse_a_charge_is_seen(admin: User) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE OR REPLACE FUNCTION credits_is_charged(operation text) RETURNS boolean"
            " LANGUAGE sql IMMUTABLE AS $$ SELECT operation = 'AI_TEXT_CHAT' $$"
        )
    body = Api(admin).get(HEALTH).json()
    known = {mapping["feature"]: mapping["inDatabase"] for mapping in body["mappings"]}
    assert known == {key: key == "ai_text_chat" for key in ALL_FEATURES}
    assert body["ok"] is False


#: A process in which features.py has one more feature, and nothing else differs.
NEW_FEATURE = """
import json, sys, types
from pathlib import Path

source = Path("credits/features.py").read_text()
grant = '    GRANT = "GRANT"'
source = source.replace(grant, '    AI_VIDEO = "AI_VIDEO", "Video"\\n' + grant)
source = source.replace(
    "_ALL = (\\n",
    "_ALL = (\\n"
    "    Feature('ai_video', OperationType.AI_VIDEO, 40, 'Video', 'video', 'AI_IMAGE_MODELS'),\\n",
)
features = types.ModuleType("credits.features")
sys.modules["credits.features"] = features
exec(compile(source, "credits/features.py", "exec"), features.__dict__)

import django
django.setup()

from io import StringIO
from django.core.management import call_command
from django.test import Client, RequestFactory
from rest_framework.test import APIRequestFactory, force_authenticate
from adminpanel.api import views
from credits.api.docs import openapi
from credits.models import User

def put(costs):
    request = APIRequestFactory().put("/", {"featureCosts": costs}, format="json")
    force_authenticate(request, User.objects.get(is_staff=True))
    return views.Settings.as_view()(request)

def health():
    request = APIRequestFactory().get("/")
    force_authenticate(request, User.objects.get(is_staff=True))
    return views.EnumHealth.as_view()(request).data

missing = StringIO()
call_command("makemigrations", "credits", dry_run=True, stdout=missing, verbosity=3)
schemas = openapi()["components"]["schemas"]
print(json.dumps({
    "public": Client().get("/api/credits/settings").json()["featureCosts"],
    "schema": sorted(schemas["FeatureCosts"]["properties"]),
    "change": sorted(schemas["FeatureCostsChangeRequest"]["properties"]),
    "pricing page": "Video" in Client().get("/pricing").content.decode(),
    "put": put({"ai_video": 60}).data["featureCosts"],
    "too much": put({"ai_video": -1}).status_code,
    "health": {m["feature"]: m["inDatabase"] for m in health()["mappings"]},
    "migration": "AI_VIDEO" in missing.getvalue(),
}))
"""


@pytest.mark.django_db(transaction=True)
def test_a_feature_is_added_in_one_place(admin: User) -> None:
    done = subprocess.run(
        [sys.executable, "-c", NEW_FEATURE], cwd=ROOT, env=_environment({}), capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    prices = {**FEATURE_CREDIT_COSTS, "ai_video": 40}
    assert json.loads(done.stdout) == {
        "public": prices,
        "schema": sorted(prices),
        "change": sorted(prices),
        "pricing page": True,
        "put": {**prices, "ai_video": 60},
        "too much": 400,
        "health": {**dict.fromkeys(ALL_FEATURES, True), "ai_video": False},
        "migration": True,
    }
