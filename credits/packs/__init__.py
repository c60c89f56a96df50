"""Packs that admins give or sell, and codes that people redeem."""
