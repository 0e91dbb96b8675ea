"""Trained runs as files for other programs: ONNX, OpenVINO, PyTorch's exported programs; written, run and compared."""
