"""What persons said of a slide's cells, read from the journal's events and written to it; no web in here.

    journal --history--> SlideReview (every counted cell once, the model's call beside the person's word)
    a word --desk--> event of the journal, refused when somebody else spoke first or the slide is signed

`opinions` is the rule of what stands after words and undos, `reviewed` the result, `history` the fold that
makes it, `reading` the journal's side of it, `desk` the only writer, `labels` the words a person may use.
"""

from alledge.review.desk import Desk, ReviewConflict, SignOffRefused, SlideSigned, Word, undo_of
from alledge.review.labels import PERSON_LABELS, PersonLabel, check_label
from alledge.review.opinions import Opinion, standing
from alledge.review.reading import read_review
from alledge.review.reviewed import Amendment, ReviewedCell, SignOff, SlideReview, Withdrawal

__all__ = [
    "PERSON_LABELS",
    "Amendment",
    "Desk",
    "Opinion",
    "PersonLabel",
    "ReviewConflict",
    "ReviewedCell",
    "SignOff",
    "SignOffRefused",
    "SlideReview",
    "SlideSigned",
    "Withdrawal",
    "Word",
    "check_label",
    "read_review",
    "standing",
    "undo_of",
]
