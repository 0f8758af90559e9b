"""The journal: every result, durable before it is told, and chained so that no change goes unseen.

    FieldRecord --prepare--> StoredField + pictures --link--> event --project--> rows for queries

From the link on, all of it is one transaction.

`records` says what is stored, `chain` how events vouch for each other, `store` writes them, `reading` gives
them back to other processes, `quota` removes old pictures, and `verification` says whether it is all still as
it was written.
"""

from alledge.journal.chain import Event, Head
from alledge.journal.records import CellRecord, FieldRecord, Journal, StoredCell, StoredField, decode_patch
from alledge.journal.store import JOURNAL_NAME, SqliteJournal, open_journal

__all__ = [
    "JOURNAL_NAME",
    "CellRecord",
    "Event",
    "FieldRecord",
    "Head",
    "Journal",
    "SqliteJournal",
    "StoredCell",
    "StoredField",
    "decode_patch",
    "open_journal",
]
