"""``vmaf-tune export-rows``."""
