"""How well a performance becomes a score."""
