"""How each operation of CNTK is written in ONNX, by family."""
