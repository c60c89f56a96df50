"""Addresses below /admin/users."""

from django.urls import path

from adminpanel.users import approval_views, money_views, views

urlpatterns = [
    path("", views.users, name="admin-users"),
    path("/approvals", approval_views.approvals, name="admin-approvals"),
    path("/approvals/<int:adjustment_id>", approval_views.approval, name="admin-approval"),
    path("/charges/<int:charge_id>/refund", money_views.refund, name="admin-refund"),
    path("/<int:user_id>", views.user, name="admin-user"),
    path("/<int:user_id>/adjust", money_views.adjust, name="admin-adjust"),
]
