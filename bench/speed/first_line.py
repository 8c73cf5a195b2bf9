"""From Enter to the first visible line of ``predict SOURCE`` on a terminal.

    python bench/speed/first_line.py [SOURCE] [--runs 11]

Starts the command in a pseudo-terminal, takes the time to the first byte that it writes there, and ends it. Fresh
processes; the first run, which fills the file cache and compiles modules, does not count. Beside it, the start of
the bare interpreter.
"""

from __future__ import annotations

import argparse
import os
import pty
import signal
import statistics
import subprocess
import sys
import time

TARGET_S = 0.5


def first_byte(command: list[str]) -> tuple[float, bytes]:
    """Seconds from starting a command in a terminal to the first thing that it writes, and that."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm"}
    begun = time.perf_counter()
    process = subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True, env=environment
    )
    os.close(theirs)
    try:
        data = os.read(ours, 1 << 12)
    except OSError:
        data = b""
    took = time.perf_counter() - begun
    process.send_signal(signal.SIGINT)
    while True:  # a terminal that nobody reads would keep it
        try:
            if not os.read(ours, 1 << 12):
                break
        except OSError:
            break
    process.wait()
    os.close(ours)
    return took, data


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", nargs="?", default="missing.mkv", help="a video; it need not be there")
    parser.add_argument("--runs", type=int, default=11)
    arguments = parser.parse_args()
    predict = [sys.executable, "-m", "vmaftune_frv2", "predict", arguments.source, "--target-vmaf", "93"]
    bare = [sys.executable, "-c", "print()"]
    times: dict[str, list[float]] = {"python": [], "predict": []}
    line = b""
    for turn in range(arguments.runs + 1):
        for name, command in (("python", bare), ("predict", predict)):
            took, data = first_byte(command)
            line = data if name == "predict" else line
            if turn:
                times[name].append(took)
    print(f"{arguments.runs} fresh processes each, load {os.getloadavg()[0]:.1f}; first line {line!r}")
    for name, found in times.items():
        print(f"{name:>8}: median {statistics.median(found):.3f} s, least {min(found):.3f}, most {max(found):.3f}")
    print(f"at most {TARGET_S} s: {'yes' if statistics.median(times['predict']) <= TARGET_S else 'NO'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
