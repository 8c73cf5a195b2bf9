"""``vmaf-tune compare``."""
