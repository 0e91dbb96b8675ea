"""What a GPU is asked for in one go."""
