"""``vmaf-tune validate``: is every line of a corpus true?"""

from __future__ import annotations

import json
from pathlib import Path

import click

from vmaftune_frv2.errors import ExitCode


@click.command(name="validate")
@click.argument("corpora", nargs=-1, required=True, metavar="CORPUS...", type=click.Path(path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of text.")
@click.option(
    "--max-messages", type=click.IntRange(min=0), default=100, show_default=True, help="Most messages to print."
)
def validate(corpora: tuple[Path, ...], as_json: bool, max_messages: int) -> int:
    """Check every row of a corpus: its keys, its values, and whether they fit each other.

    CORPUS is a .jsonl, .jsonl.gz or .jsonl.zst file, or a folder of such files.
    """
    from vmaftune_frv2.corpus.validation import validate_files

    report = validate_files(corpora, max_messages)
    if as_json:
        click.echo(json.dumps(report.as_json(), indent=2, allow_nan=False))
    else:
        for problem in report.problems:
            click.echo(f"{problem.where}: {problem.message}")
        if report.problem_count > len(report.problems):
            click.echo(f"... and {report.problem_count - len(report.problems)} more messages")
        versions = ", ".join(f"v{version}: {count}" for version, count in sorted(report.versions.items()))
        click.echo(
            f"{report.rows} rows in {report.files} files ({versions or 'none'}): {report.valid} valid, "
            f"{report.invalid} invalid, {report.failed} failed cells, {report.duplicates} duplicates",
            err=True,
        )
    if report.damage:
        raise report.damage
    return ExitCode.NEGATIVE if report.invalid or report.rows == 0 else ExitCode.OK
