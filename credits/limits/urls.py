"""Limits of a user's own."""

from django.urls import path

from credits.limits import views

urlpatterns = [
    path("account/limits", views.limits, name="limits"),
    path("account/limits/<int:limit_id>", views.limit, name="limit"),
    path("account/limits/<int:limit_id>/remove", views.remove, name="limit-remove"),
]
