"""Libraries that have no bounds, in processes of their own with limits."""
