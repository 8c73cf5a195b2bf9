"""``vmaf-tune validate``."""
