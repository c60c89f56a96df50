"""What is sold: prices and plans, the rules of their fields, their history, and undo."""
