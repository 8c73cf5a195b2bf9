"""``vmaf-tune ladder``."""
