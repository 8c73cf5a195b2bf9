"""``vmaf-tune corpus``."""
