"""Upstream's subcommands in our group: listed and run beside ours, where upstream is installed."""

from __future__ import annotations

from collections.abc import Mapping

import click

from vmaftune_frv2.host.plugins import plugins_of
from vmaftune_frv2.host.sink import exits
from vmaftune_frv2.upstream import seams

PASSED_ON = {"ignore_unknown_options": True, "allow_interspersed_args": False}
"""Settings of a command that leaves its options to somebody else."""
_ANSWERED_BY = {"fast": "predict"}
"""{subcommand of upstream's that may be broken: ours that answers the same}; others have the same name as ours."""
_SAME_OPTIONS = (
    "--target-vmaf", "--encoder", "--preset", "--width", "--height", "--pix-fmt", "--framerate", "--ffmpeg-bin",
    "--vmaf-model",
)  # fmt: skip
"""What ``fast`` and our ``predict`` both take; ``--src`` is ``predict``'s SOURCE."""
_WIDEST = 72


def instead(name: str) -> str:
    """The command of ours that answers what a subcommand of upstream's is asked."""
    return _ANSWERED_BY.get(name, name)


class UpstreamCommands:
    """Upstream's subcommands of names that our group has not.

    Args:
        group: ours, which comes first.
    """

    title = "Commands of upstream's vmaf-tune"

    def __init__(self, group: click.Group) -> None:
        self._group = group

    def command(self, name: str) -> click.Command | None:
        """A subcommand of upstream's, None where there is none; imports upstream if it is installed."""
        if seams.location() is None:
            return None
        from vmaftune_frv2.upstream.calling import broken, subcommands

        if name not in subcommands():
            return None
        reason = broken(name) if name in _ANSWERED_BY else None
        return self._answered(name, reason) if reason else _passed_on(name)

    def listed(self) -> Mapping[str, str]:
        """What they are for, in upstream's words, and which are reached through ``upstream`` only."""
        if seams.location() is None:
            return {}
        from vmaftune_frv2.upstream.calling import broken, subcommands

        found, ours = {}, []
        for name, words in subcommands().items():
            if name in self._group.commands:
                ours.append(name)
            elif name in _ANSWERED_BY and broken(name):
                found[name] = f"(broken in this upstream; answered by our {_ANSWERED_BY[name]})"
            else:
                found[name] = words if len(words) <= _WIDEST else f"{words[:_WIDEST]}..."
        if ours:
            found["upstream NAME"] = f"Upstream's own {', '.join(ours)}; without `upstream`, these are ours."
        return found

    def _answered(self, name: str, reason: str) -> click.Command:
        """Ours in the place of a broken one."""
        answer = _ANSWERED_BY[name]

        @click.command(name, context_settings=PASSED_ON, add_help_option=False)
        @click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
        @click.pass_context
        def answered(context: click.Context, arguments: tuple[str, ...]) -> object:
            taken, left_out = _translated(arguments)
            click.echo(f"Upstream's {name} does not work here: {reason}.", err=True)
            click.echo(f"Answered by: vmaf-tune {answer} {' '.join(taken)}", err=True)
            if left_out:
                click.echo(f"Left out: {' '.join(left_out)}", err=True)
            ours = self._group.commands[answer]
            with ours.make_context(answer, taken, parent=context.parent) as inner:
                return ours.invoke(inner)

        return answered


def _passed_on(name: str) -> click.Command:
    @click.command(name, context_settings=PASSED_ON, add_help_option=False)
    @click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
    @click.pass_context
    @exits
    def passed_on(context: click.Context, arguments: tuple[str, ...]) -> int:
        from vmaftune_frv2.upstream.calling import run

        return run((name, *arguments), plugins_of(context))

    return passed_on


def _translated(arguments: tuple[str, ...]) -> tuple[list[str], list[str]]:
    """Options of ``fast`` as ``predict`` takes them, and those that it does not."""
    taken: list[str] = []
    left_out: list[str] = []
    words = [part for word in arguments for part in (word.split("=", 1) if word.startswith("--") else [word])]
    target = left_out
    for word in words:
        if word in ("--help", "-h"):
            taken.append("--help")
        elif word == "--src":
            target = taken
        elif word.startswith("--"):
            target = taken if word in _SAME_OPTIONS else left_out
            target.append(word)
        else:
            target.append(word)
    return taken, left_out
