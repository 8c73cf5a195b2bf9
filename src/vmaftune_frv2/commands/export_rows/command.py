"""``vmaf-tune export-rows``: a corpus for upstream's trainer."""

from __future__ import annotations

from pathlib import Path

import click


@click.command(name="export-rows")
@click.argument("corpora", nargs=-1, required=True, metavar="IN...", type=click.Path(path_type=Path))
@click.argument("out", metavar="OUT", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--vmaf-model", default=None, metavar="NAME", help="Take only rows scored with this VMAF model.")
@click.option("--overwrite", is_flag=True, help="Replace OUT where it exists; without this it is left alone.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")
def export_rows(
    corpora: tuple[Path, ...], out: Path, vmaf_model: str | None, overwrite: bool, as_json: bool
) -> None:
    """Write to OUT those rows of corpora that upstream's trainer of fr_regressor_v2 takes.

    IN is a .jsonl, .jsonl.gz or .jsonl.zst file, or a folder of such files. Rows that failed, have no features,
    break the row contract or measure a cell again are left out and counted. OUT has the keys of the contract and
    no values per frame; presets have the names that upstream gives them. It is written whole or not at all.
    """
    import json

    from vmaftune_frv2.corpus.upstream_rows import export_rows as export

    done = export(corpora, out, vmaf_model, overwrite)
    if as_json:
        click.echo(json.dumps(done.as_json(), indent=2, allow_nan=False))
        return
    click.echo(f"wrote {done.rows} rows to {done.out}")
    for title, counts in (
        ("left out", done.left_out),
        ("in the trainer's unknown slot", done.unknown_slot),
        ("preset taken for the trainer's default", done.default_preset),
    ):
        for what, count in counts.items():
            click.echo(f"{title}: {count}: {what}")
