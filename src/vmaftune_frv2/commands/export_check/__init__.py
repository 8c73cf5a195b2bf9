"""``vmaf-tune export-check``."""
