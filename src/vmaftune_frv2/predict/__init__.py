"""Predicting VMAF and bitrate: onnxruntime and numpy, never torch."""
