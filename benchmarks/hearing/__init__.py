"""How well the drums are heard."""
