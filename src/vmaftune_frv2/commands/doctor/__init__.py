"""``vmaf-tune doctor``."""
