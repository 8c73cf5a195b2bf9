"""Rewrites the figures in docs/models/<id>.md from the sidecars in model/tiny.

python docs/update_cards.py
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vmaftune_frv2.contract.scenarios import WORDS

ROOT = Path(__file__).parent.parent
MODELS = ROOT / "model" / "tiny"
CARDS = Path(__file__).parent / "models"
BLOCK = re.compile(r"(<!-- figures -->\n).*?(<!-- end of figures -->\n)", re.DOTALL)
COLUMNS = ("n", "plcc", "srocc", "rmse", "mae", "p95")


def table(headers: list[str], rows: list[list[str]]) -> list[str]:
    """A Markdown table, and an empty line."""
    lines = [headers, ["---"] * len(headers), *rows]
    return [*(f"| {' | '.join(line)} |" for line in lines), ""]


def agreements(title: str, figures: Mapping[str, Any]) -> list[str]:
    """A table of agreements, one per line."""
    rows = [
        [WORDS.get(name, name), *(_number(found[column]) for column in COLUMNS)]
        for name, found in figures.items()
        if found
    ]
    return table([title, "rows", "PLCC", "SROCC", "RMSE", "MAE", "p95"], rows)


def pairs(figures: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """A table of mean absolute errors, a line per encoder of the probe, a column per encoder."""
    encoders = list(figures)
    rows = [
        [probe, *(_number(found[name]["mae"]) if name in found else "-" for name in encoders)]
        for probe, found in figures.items()
    ]
    return table(["MAE from any cell of", *encoders], rows)


def coverage(title: str, figures: Mapping[str, Any]) -> list[str]:
    """A table of measured coverage, per encoder too."""
    encoders = list(figures["by_encoder"])
    rows = [
        [f"{float(level):.0%}", f"{share:.3f}", f"{figures['width'][level]:.3g}"]
        + [f"{figures['by_encoder'][name][level]:.3f}" for name in encoders]
        for level, share in figures["measured"].items()
    ]
    return table([title, "covered", "mean width", *encoders], rows)


def figures(sidecar: Mapping[str, Any]) -> str:
    """The figures of one sidecar."""
    training, lines = sidecar["training"], []
    lines += table(
        ["corpus", "value"],
        [
            ["rows learnt from" if "net" in training else "rows", str(training["rows"])],
            ["sources judged", str(training["sources"])],
            ["corpus sha256", f"`{training['corpus_sha256']}`"],
            ["left out together", training["group_by"]],
        ],
    )
    lines += table(
        ["gate", "value", "needs", ""],
        [
            [line["name"], _number(line["value"]), f">= {line['at_least']:g}", "met" if line["met"] else "NOT met"]
            for line in sidecar["gate"]["lines"]
        ],
    )
    loso = training["loso"]
    for key, title in (
        ("models", "left-out rows"), ("by_encoder", "encoder"), ("by_band", "true VMAF"), ("scenarios", "probe"),
        ("left_out_encoder", "encoder not in training"), ("by_probe", "VMAF of the probe"),
    ):  # fmt: skip
        if key in loso:
            lines += agreements(title, loso[key])
    if "by_pair" in loso:
        lines += pairs(loso["by_pair"])
    single = {name: loso[key] for key, name in (("clips", "clip means"), ("frames", "frames")) if key in loso}
    single |= {"every encoder, as an unknown one": loso["as_unknown"]} if loso.get("as_unknown") else {}
    if single:
        lines += agreements("left-out", single)
    if "coverage" in loso:
        lines += coverage("nominal", loso["coverage"])
    if loso.get("coverage_across"):
        lines += coverage("nominal, from another encoder", loso["coverage_across"])
    manifest = MODELS / f"{sidecar['id']}_ensemble_v1.json"
    if manifest.exists():
        lines += coverage("ensemble, nominal", json.loads(manifest.read_text())["confidence"]["measured"])
    return "\n".join(lines)


def render(card: str, sidecar: Mapping[str, Any]) -> str:
    """A card with its figures made anew."""
    return BLOCK.sub(lambda found: found[1] + "\n" + figures(sidecar) + found[2], card)


def cards() -> dict[Path, str]:
    """{card: what it must say} of every shipped model that has one."""
    found = {}
    for card in sorted(CARDS.glob("*.md")):
        sidecar = json.loads((MODELS / f"{card.stem}.json").read_text())
        found[card] = render(card.read_text(), sidecar)
    return found


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return str(value) if isinstance(value, int) else f"{value:.4g}" if abs(value) < 0.9 else f"{value:.5g}"


if __name__ == "__main__":
    for path, text in cards().items():
        path.write_text(text)
