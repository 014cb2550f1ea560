"""The converted graph made small, with ONNX's own operators where there are any."""
