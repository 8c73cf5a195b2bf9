"""Rewrites the tables of requests in docs/python.md from the requests themselves.

python docs/update_python.py
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vmaftune_frv2.contract.options import Option

PAGE = Path(__file__).parent / "python.md"
BLOCK = re.compile(r"(<!-- fields: (\w+) -->\n).*?(<!-- end of fields -->\n)", re.DOTALL)


def table(request: str) -> str:
    """Every field of a request: its name, its option, what it takes, its default, what it means."""
    import vmaftune_frv2
    from vmaftune_frv2.contract.options import options_of

    rows = [
        [f"`{each.name}`", _option(each), _takes(each), _default(each), each.field.help]
        for each in sorted(options_of(getattr(vmaftune_frv2, request)), key=lambda each: not each.field.argument)
    ]
    lines = [["field", "option", "takes", "default", "meaning"], ["---"] * 5, *rows]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)


def _option(field: Option) -> str:
    flags = [f"--{flag}" for _, flag, _ in field.flags]
    return f"`{' '.join(flags or [field.spelled])}`"


def _takes(field: Option) -> str:
    kind = field.kind
    written = f"`{field.metavar}`" if field.metavar and kind == "str" else "path" if kind == "Path" else kind
    found = " ".join(f"`{choice}`" for choice in field.choices) or written
    limits = field.range_text
    return f"{found}{', or several' if field.several else ''}{f', {limits}' if limits else ''}"


def _default(field: Option) -> str:
    default = field.shown or field.default
    if field.shown is None and default in (None, (), ""):
        return ""
    return f"{default:g}" if isinstance(default, float) else str(default)


def render(page: str) -> str:
    """The page with every table made anew."""
    return BLOCK.sub(lambda found: found[1] + "\n" + table(found[2]) + found[3], page)


if __name__ == "__main__":
    PAGE.write_text(render(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
