"""``vmaf-tune encode``: a source as a file of a certain VMAF, with all that belongs to it."""

from __future__ import annotations

import click

from vmaftune_frv2.commands.shared.options import request_options
from vmaftune_frv2.commands.shared.progress import progress_option, shown_progress
from vmaftune_frv2.commands.shared.question import kept_on_interrupt, spare_threads
from vmaftune_frv2.contract.encode_request import EncodeRequest
from vmaftune_frv2.contract.options import Request, option
from vmaftune_frv2.host.plugins import plugins_of


class EncodeOutput(Request):
    """How the certificates are given."""

    json: bool = option(False, "Print certificates as JSON, one per line.")
    progress: str = progress_option()


@click.command(name="encode")
@request_options(EncodeRequest, EncodeOutput)
def encode(request: EncodeRequest, output: EncodeOutput) -> int:
    """Encode SOURCE to OUT so that its VMAF reaches a target, and measure the file that was made.

    The crf is searched as by predict --verify, then all of SOURCE is encoded, with its sound, subtitles, chapters,
    attachments and metadata, and scored. What was measured is printed against what was promised, and kept beside
    the file as OUT.vmaf.json. Several sources are encoded one by one into the folder OUT; what is there already is
    not made again.
    """
    from vmaftune_frv2.api.encoding import encode_sources
    from vmaftune_frv2.commands.encode.report import give_certificates

    spare_threads()
    with shown_progress(output.progress, "encode"), kept_on_interrupt(request):
        found = encode_sources(request, plugins_of(click.get_current_context()))
        return give_certificates(found, as_json=output.json)
