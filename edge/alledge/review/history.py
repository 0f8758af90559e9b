"""The fold that makes a slide's review out of the journal: fields first, then persons' words in order.

A cell of the slide is seen in several fields. It is counted where it was new, shown by its sharpest
sighting, and a word on any of its sightings is a word on the cell. The fold can be fed further: the page
keeps one per slide and adds what is new.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import cast

from alledge.clock import WallTime
from alledge.journal.chain import Event
from alledge.journal.plain import from_plain
from alledge.journal.projection import REVIEW, SIGN_OFF, SIGN_OFF_WITHDRAWN, WITHDRAWN
from alledge.journal.reading import SlideSummary
from alledge.journal.records import StoredCell, StoredField
from alledge.review.opinions import Opinion, standing
from alledge.review.reviewed import Amendment, ReviewedCell, SignOff, SlideReview, Withdrawal
from alledge.slide.placement import NOT_COUNTED
from alledge.strict_json import Json

AMENDMENT = "amendment"
REPORT_VIEWED = "report-viewed"
REPORT_MADE = "report-made"
WORDS = (REVIEW, SIGN_OFF, SIGN_OFF_WITHDRAWN, AMENDMENT, WITHDRAWN)
"""Kinds of events that change a review."""

Place = tuple[int, int]
"""(field_id, position) of a sighting."""


@dataclass(slots=True)
class _Track:
    """One cell of the slide: its sharpest sighting, and what was said of it."""

    place: Place
    stored: StoredCell
    region: int | None
    is_counted: bool
    words: list[Opinion] = field(default_factory=list)
    amendment: Amendment | None = None

    def shown(self) -> ReviewedCell:
        return ReviewedCell(
            field_id=self.place[0],
            position=self.place[1],
            cell=self.stored.cell,
            call=self.stored.call,
            sighting=self.stored.sighting,
            patch_sha256=self.stored.patch_sha256,
            opinion=standing(self.words),
            history=tuple(self.words),
            amendment=self.amendment,
            region=self.region,
        )


class SlideHistory:
    """Everything known of one slide, fed in the order of the journal. Not for two threads at once."""

    def __init__(self, slide_id: int) -> None:
        self.slide_id = slide_id
        self.last_field = 0
        self._tracks: dict[Place, _Track] = {}
        self._owner: dict[Place, Place] = {}
        self._shown: dict[Place, ReviewedCell] = {}
        self._n_withdrawn = 0
        self._signed: SignOff | None = None
        self._withdrawals: list[Withdrawal] = []
        self._amendments: list[Amendment] = []
        self._changes: dict[str, Callable[[Event, Mapping[str, Json], WallTime], None]] = {
            REVIEW: self._take_word,
            SIGN_OFF: self._take_sign_off,
            SIGN_OFF_WITHDRAWN: self._take_withdrawal,
            AMENDMENT: self._take_amendment,
            WITHDRAWN: self._take_withdrawn_cells,
        }

    def take_field(self, field_id: int, stored: StoredField) -> None:
        """Add the cells of the next field."""
        self.last_field = field_id
        region = stored.placement.region if stored.placement is not None else None
        for position, cell in enumerate(stored.cells):
            self._take_sighting((field_id, position), cell, region)

    def take_event(self, event: Event) -> None:
        """Add what a person did; events of other slides and other kinds change nothing."""
        change = self._changes.get(event.kind)
        if change is not None:
            body = event.fields()
            change(event, body, from_plain(WallTime, body["wall"]))

    def review(self, slide: SlideSummary, as_of: int) -> SlideReview:
        """The slide as it stands now."""
        for key, track in self._tracks.items():
            if key not in self._shown and track.is_counted:
                self._shown[key] = track.shown()
        cells = tuple(self._shown[key] for key, track in self._tracks.items() if track.is_counted)
        return SlideReview(
            slide=slide,
            cells=cells,
            n_open=sum(cell.is_open for cell in cells),
            signed=self._signed,
            amendments=tuple(self._amendments),
            withdrawals=tuple(self._withdrawals),
            as_of=as_of,
            n_withdrawn=self._n_withdrawn,
        )

    def _take_sighting(self, place: Place, stored: StoredCell, region: int | None) -> None:
        seen = stored.sighting
        if seen is not None and seen.cell_id == NOT_COUNTED:
            return
        key = place if seen is None else (0, seen.cell_id)
        track = self._tracks.get(key)
        if track is None:
            self._tracks[key] = _Track(place, stored, region, seen is None or seen.is_new)
        else:
            track.is_counted = track.is_counted or (seen is not None and seen.is_new)
            if seen is not None and seen.is_sharper:
                track.place, track.stored, track.region = place, stored, region
        self._owner[place] = key
        self._shown.pop(key, None)

    def _track_of(self, body: Mapping[str, Json]) -> tuple[Place, _Track] | None:
        field_id, position = body.get("field_id"), body.get("position")
        if not isinstance(field_id, int) or not isinstance(position, int):
            return None
        key = self._owner.get((field_id, position))
        return None if key is None else (key, self._tracks[key])

    def _take_word(self, event: Event, body: Mapping[str, Json], wall: WallTime) -> None:
        found = self._track_of(body)
        if found is None or self._signed is not None:  # a signed slide is read-only, whoever writes
            return
        label, undoes, batch = body.get("label"), body.get("undoes"), body.get("batch")
        found[1].words.append(
            Opinion(
                label=label if isinstance(label, str) else None,
                who=str(body.get("who", "")),
                wall=wall,
                event=event.number,
                undoes=undoes if isinstance(undoes, int) else None,
                batch=batch if isinstance(batch, int) else event.number,
            )
        )
        self._shown.pop(found[0], None)

    def _take_sign_off(self, event: Event, body: Mapping[str, Json], wall: WallTime) -> None:
        if body.get("slide_id") == self.slide_id:
            self._signed = SignOff(str(body.get("who", "")), wall, event.number)

    def _take_withdrawal(self, event: Event, body: Mapping[str, Json], wall: WallTime) -> None:
        if body.get("slide_id") != self.slide_id or self._signed is None:
            return
        who, reason = str(body.get("who", "")), str(body.get("reason", ""))
        self._withdrawals.append(Withdrawal(who, wall, event.number, self._signed.event, reason))
        self._signed = None

    def _take_amendment(self, event: Event, body: Mapping[str, Json], wall: WallTime) -> None:
        found = self._track_of(body)
        if found is None or self._signed is None or body.get("slide_id") != self.slide_id:
            return
        key, track = found
        label = body.get("label")
        track.amendment = Amendment(
            field_id=track.place[0],
            position=track.place[1],
            label=label if isinstance(label, str) else None,
            who=str(body.get("who", "")),
            reason=str(body.get("reason", "")),
            wall=wall,
            event=event.number,
        )
        self._amendments.append(track.amendment)
        self._shown.pop(key, None)

    def _take_withdrawn_cells(self, _: Event, body: Mapping[str, Json], __: WallTime) -> None:
        """Two regions of the slide met: some cells turned out to be others, and their words go with them."""
        pairs = body.get("cells")
        if body.get("slide_id") != self.slide_id or not isinstance(pairs, list):
            return
        for pair in pairs:
            if isinstance(pair, list) and all(isinstance(number, int) for number in pair):
                self._unite((0, cast("int", pair[0])), (0, cast("int", pair[1])))

    def _unite(self, gone: Place, stays: Place) -> None:
        if gone not in self._tracks or stays not in self._tracks or gone == stays:
            return
        self._n_withdrawn += 1
        lost, kept = self._tracks.pop(gone), self._tracks[stays]
        if _sharpness(lost) > _sharpness(kept):
            kept.place, kept.stored, kept.region = lost.place, lost.stored, lost.region
        kept.words = sorted([*kept.words, *lost.words], key=lambda word: word.event)
        kept.amendment = kept.amendment or lost.amendment
        self._owner.update({place: stays for place, key in self._owner.items() if key == gone})
        self._shown.pop(gone, None)
        self._shown.pop(stays, None)


def _sharpness(track: _Track) -> float:
    return 0.0 if track.stored.sighting is None else track.stored.sighting.sharpness
