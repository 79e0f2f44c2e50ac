"""Hearing drums: arrays, files and dataclasses in and out."""
