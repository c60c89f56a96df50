"""Prices and plans: the page, its review step, imports and undo."""
