"""``vmaf-tune attach``."""
