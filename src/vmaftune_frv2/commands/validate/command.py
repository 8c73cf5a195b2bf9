"""``vmaf-tune validate``: is every line of a corpus true?"""

from __future__ import annotations

import json
from pathlib import Path

import click

from vmaftune_frv2.commands.shared.options import request_options
from vmaftune_frv2.contract.option_groups import CodecOptions
from vmaftune_frv2.errors import ExitCode


@click.command(name="validate")
@click.argument("corpora", nargs=-1, required=True, metavar="CORPUS...", type=click.Path(path_type=Path))
@request_options(CodecOptions)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")
@click.option(
    "--max-messages", type=click.IntRange(min=0), default=100, show_default=True, help="Most messages to print."
)
def validate(codecs: CodecOptions, corpora: tuple[Path, ...], as_json: bool, max_messages: int) -> int:
    """Check every row of a corpus: its keys, its values, and whether they fit each other.

    CORPUS is a .jsonl, .jsonl.gz or .jsonl.zst file, or a folder of such files; or a .csv or .parquet table. Rows
    of older shapes are checked as the rows of version 3 that they become, and counted by shape.
    """
    from vmaftune_frv2.corpus.validation import validate_files

    report = validate_files(corpora, max_messages, codecs.codec, codecs.codec_from_source)
    if as_json:
        click.echo(json.dumps(report.as_json(), indent=2, allow_nan=False))
    else:
        for problem in report.problems:
            click.echo(f"{problem.where}: {problem.message}")
        if report.problem_count > len(report.problems):
            click.echo(f"... and {report.problem_count - len(report.problems)} more messages")
        for reason, count in report.refused.items():
            click.echo(f"{count} rows refused: {reason}", err=True)
        if report.frame_lines:
            click.echo(f"{report.frame_lines} lines are frames; those of an encode are one row", err=True)
        shapes = ", ".join(f"{shape}: {count}" for shape, count in sorted(report.shapes.items()))
        click.echo(
            f"{report.rows} rows in {report.files} files ({shapes or 'none'}): {report.valid} valid, "
            f"{report.invalid} invalid, {report.failed} failed cells, {report.duplicates} duplicates",
            err=True,
        )
    if report.damage:
        raise report.damage
    return ExitCode.NEGATIVE if report.invalid or report.rows == 0 else ExitCode.OK
