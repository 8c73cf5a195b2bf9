"""``vmaf-tune encode``."""
