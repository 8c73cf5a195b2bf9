"""``vmaf-tune train-v2``."""
