"""A report put into words and order: what a haematologist wants first stands first, its grounds below.

Signature, share of blasts and differential; the cells themselves; what persons changed; then how good the
fields were, and what model, calibration, software and journal it all rests on.
"""

from collections.abc import Sequence

from alledge.clock import ClockTrust
from alledge.report.blocks import Banner, Block, Document, Facts, Heading, Tone
from alledge.report.contents import SlideReport
from alledge.report.latin import visible
from alledge.report.outline_cells import cell_pictures, morphology
from alledge.report.outline_counts import counts, figures
from alledge.report.outline_grounds import fields, journal, model, origin
from alledge.report.outline_words import amendments, overrides
from alledge.report.wording import Wording
from alledge.strings import Strings


def outline(report: SlideReport, strings: Strings) -> Document:
    """The whole report as blocks, in the language of `strings`."""
    words = Wording(strings)
    identifier = visible(report.slide.identifier)
    parts: Sequence[Sequence[Block]] = (
        banners(report, words),
        figures(report, words),
        counts(report, words),
        slide(report, words),
        cell_pictures(report, words),
        morphology(report, words),
        overrides(report, words),
        amendments(report, words),
        fields(report, words),
        model(report, words),
        origin(report, words),
        journal(report, words),
    )
    believed = report.as_of_wall.trust is not ClockTrust.WRONG
    return Document(
        language=strings.language,
        title=words("title", identifier=identifier),
        running_title=words("running", identifier=identifier),
        footnote=strings["research-use-only"],
        page_words=words("page", page="{page}", pages="{pages}"),
        journal_words=words("journal", number=report.as_of.count, hash=words.short(report.as_of.hash)),
        glyph_words=words("journal-part.glyphs"),
        unix_s=report.as_of_wall.unix_s if believed else None,
        blocks=tuple(block for part in parts for block in part),
    )


def banners(report: SlideReport, words: Wording) -> list[Block]:
    """Whether somebody answers for the count, and what else nobody should overlook."""
    found: list[Block] = [_signature(report, words)]
    if report.origin.is_phantom:
        found.append(_warning(words, "phantom"))
    if len(report.origin.models) > 1:
        found.append(_warning(words, "several-models"))
    elif report.card is None and report.origin.models:
        found.append(_warning(words, "no-card"))
    return found


def _signature(report: SlideReport, words: Wording) -> Banner:
    signed = report.signed
    if signed is None:
        text = words("banner.open-text", n=report.n_open)
        still = f" {words('banner.running')}" if report.slide.ended is None else ""
        return Banner(words("banner.open"), text + still, Tone.OPEN)
    kind = "amended" if report.amendments else "signed"
    who, when, n = visible(signed.who), words.when(signed.wall), len(report.amendments)
    return Banner(words(f"banner.{kind}"), words(f"banner.{kind}-text", who=who, when=when, n=n), Tone.DONE)


def _warning(words: Wording, kind: str) -> Banner:
    return Banner(words(f"banner.{kind}"), words(f"banner.{kind}-text"), Tone.WARNING)


def slide(report: SlideReport, words: Wording) -> list[Block]:
    """Which slide it is, and when it was looked at."""
    summary, ledger = report.slide, report.ledger
    ended = words("slide.still-open") if summary.ended is None else words.when(summary.ended)
    clock = words.listed(
        words("clock.of-fields", trust=words(f"clock.{trust.value}"), n=n)
        for trust, n in report.origin.clock.items()
    )
    rows = [
        (words("slide.identifier"), visible(summary.identifier)),
        (words("slide.number"), str(summary.slide_id)),
        (words("slide.started"), words.when(summary.started)),
        (words("slide.ended"), ended),
        (words("slide.fields"), words("slide.fields-text", judged=ledger.n_judged, n=ledger.n_fields)),
        (words("slide.cells"), str(report.n_cells)),
        (words("slide.clock"), clock),
    ]
    if report.signed is not None:
        rows.append(
            (words("slide.signed"), f"{visible(report.signed.who)}, {words.when(report.signed.wall)}")
        )
    return [Heading(words("slide.title")), Facts(tuple(rows))]
