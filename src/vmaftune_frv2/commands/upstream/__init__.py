"""``vmaf-tune upstream``."""
