"""How ``vmaf-tune predict`` gives its answer."""

from __future__ import annotations

from pathlib import Path

from vmaftune_frv2.api.folders import is_several
from vmaftune_frv2.commands.shared.progress import progress_option
from vmaftune_frv2.commands.shared.question import emit_option, style_option
from vmaftune_frv2.contract.options import Request, option
from vmaftune_frv2.contract.predict_request import PredictRequest
from vmaftune_frv2.errors import UsageError


class PredictOutput(Request):
    """How the answer is given."""

    emit: str | None = emit_option()
    plot: Path | None = option(
        None, "Draw VMAF over crf and over bitrate to a .png, .svg or .html file.", metavar="FILE", names="file"
    )
    style: str = style_option()
    progress: str = progress_option()

    def check_with(self, request: PredictRequest) -> None:
        """Refuses an output that the question has nothing for.

        Raises:
            UsageError: it has not.
        """
        if not request.sources:
            self.refuse(("emit", "plot"), "needs SOURCE and a curve model (the default is one)")
        if self.emit and not request.picks:
            raise UsageError("--emit needs --target-vmaf, --target-percentile, --max-bitrate or --max-size")
        if self.plot and is_several(request.sources):
            raise UsageError("--plot takes one SOURCE")
