"""What grows with the number of frames."""
