"""``vmaf-tune per-shot``."""
