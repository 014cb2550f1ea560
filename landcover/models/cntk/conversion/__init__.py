"""From CNTK's graph to ONNX."""
