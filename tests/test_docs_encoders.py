"""docs/encoders.md shows the encoder table as it is."""

from __future__ import annotations

from docs_kit import DOCS, script


def test_the_table_is_the_programs_own() -> None:
    page = (DOCS / "encoders.md").read_text("utf-8")
    assert script("update_encoders").render(page) == page, "run: python docs/update_encoders.py"
    assert "| av1_nvenc | p1 p2 p3 p4 p5 p6 p7 | 1..63 |" in page
