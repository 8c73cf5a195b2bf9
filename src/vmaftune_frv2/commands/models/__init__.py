"""``vmaf-tune models``."""
