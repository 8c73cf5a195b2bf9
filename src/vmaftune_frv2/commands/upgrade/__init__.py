"""``vmaf-tune upgrade``."""
