from django.urls import path

from ai_chat.images import views

urlpatterns = [
    path("images", views.images, name="images"),
    path("images/offer", views.offer, name="image-offer"),
    path("images/requests/<uuid:request_id>", views.card, name="image-request"),
    path("images/requests/<uuid:request_id>/events", views.events, name="image-events"),
    path(
        "images/requests/<uuid:request_id>/delete", views.delete_made, name="image-request-delete"
    ),
    path("images/<uuid:image_id>/file", views.file, name="image-file"),
    path("images/<uuid:image_id>/delete", views.delete, name="image-delete"),
]
