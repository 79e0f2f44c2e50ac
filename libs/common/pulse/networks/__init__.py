"""The weights that are served, and their cards."""
