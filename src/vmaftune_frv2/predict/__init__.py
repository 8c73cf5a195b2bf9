"""Predicting VMAF without encoding: onnxruntime and numpy, never torch."""
