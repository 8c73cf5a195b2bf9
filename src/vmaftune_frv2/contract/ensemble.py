"""The manifest of an ensemble: ``model/tiny/<id>.json``, naming its members by digest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vmaftune_frv2.contract.files import read_json
from vmaftune_frv2.contract.intervals import METHOD, Intervals
from vmaftune_frv2.errors import ModelError

KIND = "fr_ensemble"
NOMINAL = 0.9
SUFFIX = "_ensemble_v1"
"""What the id of an ensemble adds to that of its regressor."""


@dataclass(frozen=True)
class Ensemble:
    """Members that score alike, and the interval round their mean.

    Args:
        id: of the manifest.
        members: {registry id: sha256}, in seed order.
        intervals: conformal.
        sidecar: what the members' sidecars share: feature order and scaler, codec block, probe.
        coverage: measured figures.
    """

    id: str
    members: Mapping[str, str]
    intervals: Intervals
    sidecar: Mapping[str, Any]
    coverage: Mapping[str, Any]

    def to_json(self) -> dict[str, Any]:
        """The document that is written."""
        return {
            "id": self.id,
            "kind": KIND,
            "members": [
                {"id": name, "onnx": f"{name}.onnx", "sha256": digest} for name, digest in self.members.items()
            ],
            **self.sidecar,
            "confidence": {
                "method": METHOD,
                "nominal_coverage": NOMINAL,
                "conformal_quantile": self.intervals.quantile("all", NOMINAL),
                "intervals": self.intervals.to_json(),
                "measured": dict(self.coverage),
            },
        }


def read_ensemble(path: Path) -> Ensemble:
    """Reads a manifest.

    Raises:
        ModelError: unreadable, or something is missing.
    """
    document = read_json(path)
    try:
        confidence = document["confidence"]
        return Ensemble(
            id=str(document["id"]),
            members={str(member["id"]): str(member["sha256"]) for member in document["members"]},
            intervals=Intervals.from_json(confidence["intervals"]),
            sidecar={key: value for key, value in document.items() if key not in ("id", "members", "confidence")},
            coverage=confidence.get("measured", {}),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ModelError(f"{path}: no ensemble manifest ({error})") from error
