"""The picture of a comparison."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from vmaftune_frv2.drawing.picture import over_bitrate, over_log, write_picture
from vmaftune_frv2.predict.picks import by_cell_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from vmaftune_frv2.api.comparison import Comparison, SourceComparison

PERCENT = 100.0


def write_comparison_plot(path: Path | str, found: Comparison, target: float) -> None:
    """Draws curves of one source, or the bitrates of several against the first line's, and bitrate over speed.

    Args:
        path: ends in one of ``picture.SUFFIXES``.
        found: with at least one source.
        target: VMAF at which encoders were compared.

    Raises:
        OutputError: the file cannot be written.
    """
    one = len(found.sources) == 1
    what = Path(found.sources[0].found.label).name if one else f"{len(found.sources)} sources"

    def draw(figure: Figure) -> None:
        left, right = figure.subplots(1, 2)
        if one:
            _curves(left, found.sources[0], target)
        else:
            _bitrates(left, found)
        _speeds(right, found)

    write_picture(Path(path), f"{what}: encoders at VMAF {target:g}", draw)


def _curves(axes: Axes, source: SourceComparison, target: float) -> None:
    """VMAF over kbit/s of each line, with the picks."""
    curves = by_cell_line(sorted(source.found.answer.predictions, key=lambda p: p.cell.crf))
    for index, one in enumerate(source.contenders):
        name, colour, cells = " ".join(one.line), f"C{index % 10}", curves[one.line]
        axes.plot([p.kbps for p in cells], [p.vmaf for p in cells], color=colour, label=name, gid=f"curve {name}")
        chosen = one.pick.prediction
        if chosen is not None:
            axes.plot([chosen.kbps], [chosen.vmaf], "o", color=colour, gid=f"pick {name}")
    axes.axhline(target, color="black", linestyle="--", linewidth=1, label=f"target {target:g}")
    over_bitrate(axes)
    axes.set_ylabel("VMAF")
    axes.legend()


def _bitrates(axes: Axes, found: Comparison) -> None:
    """Bitrate at the target of each line on each source, and the mean."""
    names = [" ".join(line) for line in found.lines]
    for index, whole in enumerate(found.overall):
        colour = f"C{index % 10}"
        changes = [s.contenders[index].rate_change for s in found.sources]
        known = [PERCENT * change for change in changes if change is not None]
        if whole.rate_change is not None:
            axes.barh(
                index,
                PERCENT * whole.rate_change,
                height=0.5,
                color=colour,
                alpha=0.35,
                gid=f"mean {names[index]}",
            )
        axes.plot(known, [index] * len(known), "o", color=colour, markersize=4, gid=f"sources {names[index]}")
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.axvline(0.0, color="black", linewidth=1)
    axes.set_xlabel(f"bitrate at the target against {names[0]}, %")
    axes.grid(alpha=0.3, axis="x")


def _speeds(axes: Axes, found: Comparison) -> None:
    """Bitrate at the target over speed, a point per line."""
    for index, whole in enumerate(found.overall):
        if whole.rate_change is None or whole.fps is None:
            continue
        name, point = " ".join(whole.line), (whole.fps, PERCENT * whole.rate_change)
        axes.plot(*point, "o", color=f"C{index % 10}", gid=f"speed {name}")
        axes.annotate(name, point, (6, 4), textcoords="offset points")
    over_log(axes, "frames per second on all CPUs, estimated")
    axes.set_ylabel(f"bitrate at the target against {' '.join(found.lines[0])}, %")
    low, high = axes.get_xlim()
    axes.set_xlim(low / 1.5, high * 2.0)
    axes.margins(y=0.15)
