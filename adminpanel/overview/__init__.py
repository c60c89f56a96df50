"""The start page of the admin panel: metrics and health."""
