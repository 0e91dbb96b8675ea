"""A trained model over HTTP: an interface for machines, a page for people, and what tools for drawing labels ask."""
