"""A model, opened through its sidecar and its registry entry, ready to score cells."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vmaftune_frv2.contract.cells import Cell
from vmaftune_frv2.contract.kinds import REGRESSOR
from vmaftune_frv2.contract.registry import FILE_NAME, RegisteredModel, Registry, read_model
from vmaftune_frv2.contract.sidecar import Sidecar, read_sidecar
from vmaftune_frv2.errors import ModelError
from vmaftune_frv2.predict.weights import float_tensors
from vmaftune_frv2.resources import shipped_models_dir

LOCAL_DIR = Path("model/tiny")
CHUNK = 8192
"""Cells that are scored in one go."""
LARGEST_WEIGHT = 1e9
"""No net that learnt something has one that comes near it."""


class Model:
    """An onnxruntime session that takes raw features and cells.

    Attributes:
        sidecar: what the model says of itself.
        path: the ONNX file.
    """

    def __init__(self, registered: RegisteredModel) -> None:
        self.sidecar: Sidecar = registered.sidecar
        self.path = registered.path
        self._session = open_session(registered)
        _check_inputs(self._session, self.sidecar, self.path)

    def require_slots(self, encoders: Sequence[str]) -> None:
        """Checks that every encoder can be told apart from the others.

        Raises:
            ModelError: the model has no slot of its own for one.
        """
        block = self.sidecar.block
        if block is None:
            return
        for encoder in encoders:
            if not block.knows(encoder):
                raise ModelError(
                    f"{self.sidecar.id} has no slot for {encoder} (vocabulary {block.version}: "
                    f"{', '.join(block.vocab)}); leave it out, or train with a vocabulary that has it"
                )

    def score(self, features: ArrayLike, cells: Sequence[Cell]) -> NDArray[np.float64]:
        """Predicted VMAF.

        Args:
            features: [N, F] or [F] raw means, F as the sidecar's ``feature_order``; one vector serves every cell.
            cells: N cells; a codec-blind model looks at their number only.

        Returns:
            [N] scores in 0..100.

        Raises:
            ModelError: the vocabulary has no place for an encoder, or the net gives something that is not a score.
        """
        raw = np.atleast_2d(np.asarray(features, dtype=np.float64))
        scaled = self.sidecar.scaler.transform(raw)
        feed = {"features": np.broadcast_to(scaled, (len(cells), scaled.shape[1]))}
        if self.sidecar.block is not None:
            feed["codec"] = self.sidecar.block.matrix(cells)
        scores = np.asarray(_in_chunks(self._run, feed, len(cells)), dtype=np.float64)
        require_numbers(scores, *self.sidecar.kind.plausible, str(self.path), "VMAF")
        return np.clip(scores, 0.0, 100.0)

    def _run(self, feed: dict[str, NDArray[np.float32]]) -> NDArray[np.float32]:
        """[N] scores of scaled inputs."""
        (out,) = self._session.run([self.sidecar.output_names[0]], feed)
        scores: NDArray[np.float32] = out[:, 0] if out.ndim == 2 else out
        return scores


def require_numbers(values: ArrayLike, low: float, high: float, model: str, quantity: str) -> None:
    """Checks that a net's outputs are possible values of what it predicts.

    Raises:
        ModelError: NaN, or a value outside of ``low`` to ``high``.
    """
    given = np.asarray(values, dtype=np.float64)
    wrong = given[~((given >= low) & (given <= high))]
    if wrong.size:
        raise ModelError(
            f"{model}: the net gives {wrong.flat[0]:g} as {quantity}, which cannot be; its weights, or the scaling"
            " in its sidecar, are broken. Restore the model or train again"
        )


def _in_chunks(
    run: Callable[[dict[str, NDArray[np.float32]]], NDArray[np.float32]],
    feed: dict[str, NDArray[np.float32]],
    count: int,
) -> NDArray[np.float32]:
    """Runs many rows piece by piece, which stay in the cache, on every CPU; the session itself has one thread."""
    if count <= CHUNK:
        return run({name: np.ascontiguousarray(rows) for name, rows in feed.items()})
    from vmaftune_frv2.media.together import together, usable_cpus

    def piece(start: int) -> NDArray[np.float32]:
        return run({name: np.ascontiguousarray(rows[start : start + CHUNK]) for name, rows in feed.items()})

    return np.concatenate(list(together(piece, range(0, count, CHUNK), usable_cpus())))


def open_model(reference: str | None = None) -> Model:
    """Opens a regressor by registry id or by path.

    Args:
        reference: an id in ``./model/tiny`` or in the shipped registry, or the path of an ``.onnx`` file.
            None takes the production ``fr_regressor_v2``; smoke models are passed over.

    Raises:
        ModelError: there is none, or its bytes are not those that were registered.
    """
    return Model(find_model(REGRESSOR.model_id if reference is None else reference, production=reference is None))


def find_model(
    reference: str, production: bool = False, option: str = REGRESSOR.choose_by, made_by: str = REGRESSOR.made_by
) -> RegisteredModel:
    """A registered model, its bytes checked.

    Args:
        reference: an id, or the path of an ``.onnx`` file.
        production: pass smoke models over.
        option: the command-line option that names such a model, for an error.
        made_by: the command that makes one, for an error.

    Raises:
        ModelError: there is none, or its bytes are not those that were registered.
    """
    if reference.endswith(".onnx") or "/" in reference:
        return _from_path(Path(reference))
    passed_over = []
    for folder in (LOCAL_DIR, shipped_models_dir()):
        if not (folder / FILE_NAME).is_file():
            continue
        registry = Registry(folder)
        entry = registry.find(reference)
        if entry is None:
            continue
        if production and entry.get("smoke", False):
            passed_over.append(folder)
            continue
        return registry.load(reference)
    if passed_over:
        where = ", ".join(str(folder / FILE_NAME) for folder in passed_over)
        raise ModelError(
            f"the only {reference} ({where}) is a smoke model, which did not pass the ship gate;"
            f" name it with {option} {reference} to use it all the same"
        )
    raise ModelError(f"no model {reference!r} in {LOCAL_DIR} or among the shipped ones; train one with {made_by}")


def _from_path(path: Path) -> RegisteredModel:
    """A model file with its sidecar beside it, held against the registry of its folder if it is in there."""
    sidecar = read_sidecar(path.with_suffix(".json"))
    entry = Registry(path.parent).find(sidecar.id)
    if entry is not None:
        read_model(path, entry["sha256"], str(path.parent / FILE_NAME))
    return RegisteredModel(sidecar, path, read_model(path, sidecar.sha256, f"{path.with_suffix('.json')}"))


def open_session(registered: RegisteredModel) -> Any:
    """An onnxruntime session on one thread.

    Raises:
        ModelError: onnxruntime cannot load the graph, or a weight is NaN, infinite or absurdly large.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            session = onnxruntime.InferenceSession(
                str(registered.path), sess_options=options, providers=["CPUExecutionProvider"]
            )
    except Exception as error:
        raise ModelError(f"{registered.path}: onnxruntime cannot load it: {error}") from error
    _check_weights(registered)
    return session


def _check_weights(registered: RegisteredModel) -> None:
    """Looks at the weights themselves: a Relu or a Clip may make a number of a NaN.

    Raises:
        ModelError: one is NaN, infinite or absurdly large.
    """
    for name, weights in float_tensors(registered.data):
        if weights is None:
            raise ModelError(f"{registered.path}: {name} lies outside of the file; export it into one")
        # A single number may be the infinite bound of a Clip.
        absurd = weights.size > 1 and np.abs(weights).max() > LARGEST_WEIGHT
        if absurd or np.isnan(weights).any():
            raise ModelError(
                f"{registered.path}: {name or 'a constant'} holds a weight that is NaN or beyond"
                f" {LARGEST_WEIGHT:g}; restore the model or train again"
            )


def _check_inputs(session: Any, sidecar: Sidecar, path: Path) -> None:
    if sidecar.kind.is_curve:
        raise ModelError(f"{path} is a {sidecar.kind.name}, which needs a measured cell; name a {REGRESSOR.name}")
    wanted = sidecar.input_widths
    found = {node.name: node.shape[1] if len(node.shape) == 2 else None for node in session.get_inputs()}
    outputs = [node.name for node in session.get_outputs()]
    if found != wanted or sidecar.output_names[0] not in outputs:
        raise ModelError(
            f"{path}: the graph takes {found} and gives {', '.join(outputs)}; its sidecar says {wanted} and "
            f"{', '.join(sidecar.output_names)}"
        )
