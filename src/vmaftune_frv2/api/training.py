"""Training: what is learnt, judged and released."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from vmaftune_frv2.contract.train_request import TrainRequest
from vmaftune_frv2.errors import ToolError

if TYPE_CHECKING:
    from vmaftune_frv2.training.fit import Progress
    from vmaftune_frv2.training.train import Trained

NEEDED = ("torch", "onnx")


def train(request: TrainRequest, progress: Progress | None = None) -> Trained:
    """Reads corpora, fits and judges.

    Args:
        request: what to train.
        progress: told how many epochs there are, and of each that is done.

    Raises:
        InputError: the corpus cannot be learnt from.
        UsageError: a device that there is not.
        ToolError: torch or onnx is not installed.
    """
    return _needs(lambda: _train(request, progress))


def release(trained: Trained, folder: Path | str) -> list[Path]:
    """Writes models, sidecars, manifests and the registry.

    Returns:
        What was written.

    Raises:
        OutputError: the folder cannot be written.
        ModelError: an exported graph does not give what torch gives.
    """
    from vmaftune_frv2.training.release import release as write

    return write(trained, Path(folder))


def _train(request: TrainRequest, progress: Progress | None) -> Trained:
    import vmaftune_frv2.training.release  # noqa: F401  # before hours of training, see that what exports is there
    from vmaftune_frv2.training.train import train as fit_and_judge

    return fit_and_judge(request, progress)


def _needs(work: Callable[[], Trained]) -> Trained:
    try:
        return work()
    except ModuleNotFoundError as error:
        if error.name not in NEEDED:
            raise
        raise ToolError(
            f"training needs {error.name}: pip install torch==2.13.0 onnx (the CPU build on a CPU machine)"
        ) from error
