"""What frames for rows that lack them are asked for."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from vmaftune_frv2.contract.options import Request, option
from vmaftune_frv2.contract.output_names import COMPRESSED, TABLES, refuse_output
from vmaftune_frv2.errors import UsageError

AGREES = 0.1
"""VMAF points that two scores of the same encode may differ by: libvmaf versions do by less."""


class AttachRequest(Request):
    """Features and VMAF of each frame, for rows that lack them."""

    corpus: Path | None = option(None, "Corpus or table, which stays as it is.", flag="corpus", argument=True)
    output: Path | None = option(
        None,
        "Corpus to append to. Rows that it has are not measured again.",
        names="file",
        shown="CORPUS.attached.jsonl",
    )
    source_dirs: Sequence[Path] = option(
        (), "Folder with sources, for rows whose src is not there; repeatable.", flag="source-dir"
    )
    encode_dirs: Sequence[Path] = option(
        (), "Folder with encodes, for rows whose encode_path is not there; repeatable.", flag="encode-dir"
    )
    no_encode: bool = option(False, "Score kept encodes only; encode nothing again.")
    tolerance: float = option(AGREES, "How far the score may lie off the row's, VMAF points.", low=0, above=True)
    jobs: int | None = option(None, "Rows at work at once; each gets its share of the CPUs.", low=1, shown="CPUs")
    ffmpeg_bin: str | None = option(
        None, "ffmpeg to use; else PATH's if it has libvmaf, else the bundled one.", metavar="PROGRAM"
    )

    def check(self) -> None:
        """Refuses a request without a corpus, and an output that cannot be appended to."""
        super().check()
        if self.corpus is None:
            raise UsageError("give CORPUS")
        refuse_output(self.appended_to, "--output", [self.corpus])

    @property
    def appended_to(self) -> Path:
        """The corpus that the rows go to."""
        if self.output is not None or self.corpus is None:
            return self.output or Path()
        corpus = self.corpus if self.corpus.name not in ("", "..") else Path(os.path.abspath(self.corpus))
        name = corpus.name
        if not name:
            raise UsageError(f"give --output; {self.corpus} has no name to call it by")
        for suffix in (*COMPRESSED, *TABLES, ".jsonl"):
            name = name.removesuffix(suffix)
        return corpus.with_name(f"{name}.attached.jsonl")
