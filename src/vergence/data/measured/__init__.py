"""Depth and points that were measured or predicted, in files."""
