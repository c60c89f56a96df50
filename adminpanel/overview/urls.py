"""Addresses below /admin."""

from django.urls import path

from adminpanel.overview import views

urlpatterns = [path("", views.overview, name="admin")]
