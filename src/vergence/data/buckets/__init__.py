"""What does not lie on this machine: addresses, local copies of it, results that are sent there."""
