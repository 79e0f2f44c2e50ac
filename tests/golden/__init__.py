"""Twelve grooves that every drummer knows by feel, as score documents kept beside their source."""
