from django.urls import path

from adminpanel.metrics import metrics

urlpatterns = [path("metrics", metrics, name="metrics")]
