"""How long a prediction from a file of features takes, beside importing onnxruntime and nothing else.

Runs fresh processes of each in turn and prints medians: wall time, and CPU time of all threads. Whatever else the
machine does hits both alike; the ratio of wall times is the figure to trust.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

from vmaftune_frv2.contract.features import CANONICAL6

TARGET = 1.5
"""Wall time of a prediction over that of the bare import."""
FEATURES = (0.95, 0.6, 0.87, 0.92, 0.95, 4.0)


def timed(command: list[str], compiled: Path) -> tuple[float, float]:
    """Wall and CPU seconds of one process, which finds its modules compiled, as installed ones are."""
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    environment["PYTHONPYCACHEPREFIX"] = str(compiled)
    silence = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
    begin = time.perf_counter()
    _, status, usage = os.wait4(os.posix_spawn(command[0], command, environment, file_actions=silence), 0)
    wall = time.perf_counter() - begin
    if status:
        raise SystemExit(f"failed: {command}")
    return wall, usage.ru_utime + usage.ru_stime


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=15)
    pairs = parser.parse_args().pairs
    with tempfile.TemporaryDirectory() as folder:
        features = Path(folder) / "features.json"
        features.write_text(json.dumps(dict(zip(CANONICAL6, FEATURES, strict=True))))
        cell = ["--encoder", "libx264", "--preset", "medium", "--crf", "23"]
        commands = {
            "python -c pass": ["-c", "pass"],
            "import onnxruntime": ["-c", "import onnxruntime"],
            "predict": ["-m", "vmaftune_frv2", "predict", "--features", str(features), *cell],
        }
        times: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
        for turn in range(pairs + 1):  # the first turn fills caches
            for name, arguments in commands.items():
                measured = timed([sys.executable, *arguments], Path(folder))
                if turn:
                    times[name].append(measured)
    print(f"{pairs} fresh processes each, load {os.getloadavg()[0]:.1f}, medians in ms")
    print(f"{'':>18} {'wall':>6} {'CPU':>6}")
    medians = {name: [statistics.median(column) for column in zip(*t, strict=True)] for name, t in times.items()}
    for name, (wall, cpu) in medians.items():
        print(f"{name:>18} {wall * 1e3:>6.0f} {cpu * 1e3:>6.0f}")
    wall, cpu = (a / b for a, b in zip(medians["predict"], medians["import onnxruntime"], strict=True))
    print(f"predict over import: wall {wall:.2f}x (at most {TARGET}x), CPU {cpu:.2f}x")
    return 0


if __name__ == "__main__":
    sys.exit(main())
