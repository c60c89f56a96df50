"""The pages of chat and images: their views, forms, and events for scripts."""
