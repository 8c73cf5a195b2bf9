"""``vmaf-tune plugins``."""
