"""Frames that were read once: shards on this machine's disk, with a limit."""
