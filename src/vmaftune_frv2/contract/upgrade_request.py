"""What an upgrade of older rows is asked for."""

from __future__ import annotations

from pathlib import Path

from vmaftune_frv2.contract.option_groups import CodecOptions
from vmaftune_frv2.contract.options import option
from vmaftune_frv2.contract.output_names import refuse_output
from vmaftune_frv2.errors import UsageError


class UpgradeRequest(CodecOptions):
    """Rows of any known shape as rows of version 3."""

    corpus: Path | None = option(None, "Corpus or table.", flag="in", argument=True)
    output: Path | None = option(None, "Corpus to write.", flag="out", argument=True, names="file")
    vmaf_model: str | None = option(None, "VMAF model of the rows that do not name one.")
    ffmpeg_bin: str | None = option(
        None,
        "ffmpeg that looks into files; else PATH's if it has libvmaf, else the bundled one.",
        metavar="PROGRAM",
    )

    def check(self) -> None:
        """Refuses half a request, and an output that is no plain corpus."""
        super().check()
        if self.corpus is None or self.output is None:
            raise UsageError("give IN and OUT: a corpus or table, and the corpus to write")
        if not self.codec_from_source:
            self.refuse(("ffmpeg_bin",), "needs --codec-from-source; nothing else looks into files")
        refuse_output(self.output, "OUT", [self.corpus])
