"""API keys of a user's own."""

from django.urls import path

from credits.keys import views

urlpatterns = [
    path("account/keys", views.keys, name="keys"),
    path("account/keys/<str:public_id>", views.key, name="key"),
    path("account/keys/<str:public_id>/roll", views.roll, name="key-roll"),
    path("account/keys/<str:public_id>/revoke", views.revoke, name="key-revoke"),
]
