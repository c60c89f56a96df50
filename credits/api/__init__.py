"""Credits in JSON, and what all calls of the JSON API share."""
