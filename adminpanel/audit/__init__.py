"""The page of what admins did."""
