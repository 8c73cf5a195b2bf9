"""Options that say which VMAF is meant: the model that scores, and models that score besides."""

from __future__ import annotations

from collections.abc import Sequence

from vmaftune_frv2.contract.options import Request, option
from vmaftune_frv2.contract.vmaf_names import SHORT_NAMES, vmaf_model_named

NAMES = ", ".join(SHORT_NAMES)


class VmafOptions(Request):
    """Which VMAF model scores."""

    vmaf_model: str | None = option(
        None,
        f"VMAF model to score and predict with: {NAMES}, or a name of libvmaf.",
        metavar="NAME",
        shown="the one that the curve models learnt, vmaf_v0.6.1",
    )

    def check(self) -> None:
        """Refuses what is no model's name."""
        super().check()
        self.scored_with()

    def scored_with(self) -> str | None:
        """The VMAF model by libvmaf's name; None where none was named.

        Raises:
            UsageError: it cannot be a model's name.
        """
        return None if self.vmaf_model is None else vmaf_model_named(self.vmaf_model)


class AlsoOptions(VmafOptions):
    """Which VMAF models score."""

    also_models: Sequence[str] = option(
        (),
        "Score every encode with this VMAF model as well, in the same pass; repeatable. Nothing is picked by it.",
        flag="also-model",
        metavar="NAME",
    )

    def check(self) -> None:
        """Refuses what is no model's name."""
        super().check()
        self.also_scored_with()

    def also_scored_with(self) -> tuple[str, ...]:
        """The further VMAF models by libvmaf's names, each once.

        Raises:
            UsageError: one cannot be a model's name.
        """
        return tuple(dict.fromkeys(map(vmaf_model_named, self.also_models)))


class ScoringOptions(AlsoOptions):
    """What rows have of a score, where nothing is predicted from it."""

    vmaf_model: str | None = option(
        None,
        f"VMAF model to score with: {NAMES}, or a name of libvmaf.",
        metavar="NAME",
        shown="vmaf_v0.6.1; vmaf_4k_v0.6.1 from 2160 rows on",
    )
    feature_set: str = option(
        "canonical6",
        "Features to keep in each row: the six of VMAF, or libvmaf's further ones as well (full: full_features),"
        " which takes much longer.",
        choices=("canonical6", "full"),
    )
