"""``vmaf-tune predict``."""
