"""``vmaf-tune score``."""
