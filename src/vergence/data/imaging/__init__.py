"""Pixels: formats that need care, resizing, colours."""
