"""Settings of networks, losses and protocols: plain values, which can be read without PyTorch."""
