"""The pages of redeem codes."""
