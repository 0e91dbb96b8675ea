"""Films: frames by time, truncated ends, and writing them."""
