"""Rewrites the table in docs/encoders.md from the encoder table.

python docs/update_encoders.py
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vmaftune_frv2.contract.encoder import Encoder

PAGE = Path(__file__).parent / "encoders.md"
BLOCK = re.compile(r"(<!-- table -->\n).*?(<!-- end of table -->\n)", re.DOTALL)
HEAD = (
    "| encoder | presets, fast to slow | `--crf` | becomes | 10 bit | default cells |\n|---|---|---|---|---|---|\n"
)


def line(encoder: Encoder) -> str:
    """The row of one encoder."""
    given = " ".join(encoder.argv[2:]).replace("{preset}", "PRESET").replace("{crf}", "CRF")
    given = re.sub(r" ?-(threads|x265-params|svtav1-params) \S+", "", given)
    axis = f"{encoder.crf_min}..{encoder.crf_max}" + (", **higher is better**" if encoder.rising else "")
    deep = "yes" if any("10le" in name for name in encoder.pix_fmts) else "no"
    cells = f"{', '.join(encoder.default_presets)} at {', '.join(map(str, encoder.default_crfs))}"
    return f"| {encoder.name} | {' '.join(encoder.presets)} | {axis} | `{given}` | {deep} | {cells} |\n"


def render(page: str) -> str:
    """The page with its table made anew."""
    from vmaftune_frv2.contract.encoders import BUILTIN

    table = HEAD + "".join(map(line, BUILTIN))
    return BLOCK.sub(lambda found: found[1] + table + found[2], page)


if __name__ == "__main__":
    PAGE.write_text(render(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
