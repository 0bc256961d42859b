"""What the Admin page says of the audit log. Knows nothing of Streamlit."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final

from ecgcore.store.audit import Entry
from pages.ui.text import plain

_ID: Final = re.compile("[0-9a-f]{32}")
HEADER: Final = ("When (UTC)", "Who", "What", "On", "Detail")
FILE: Final = "leadwise-audit.csv"
NOTHING: Final = "Nothing is in the log yet: it fills when somebody edits a reading, signs it, begins a job or puts a model in use."
WHAT_IT_HOLDS: Final = (
    "Records, sessions, jobs, data set versions and models, and every change and signature of a reading. What was done to a reading goes with its record when that is deleted, "
    "and the log says that it was; of all else the database refuses to change or delete a row."
)


@dataclass(frozen=True)
class Wanted:
    """What is looked for: text anywhere in an entry, who, what, and the first and last day in UTC; what is left out fits all."""

    text: str = ""
    who: str = ""
    what: str = ""
    first: date | None = None
    last: date | None = None

    @property
    def asked(self) -> dict[str, Any]:
        """As the log is asked."""
        return {"text": self.text, "who": self.who, "what": self.what, "since": _begins(self.first), "until": _begins(self.last, 1)}


def rows(entries: Sequence[Entry]) -> list[tuple[str, ...]]:
    """A line an entry, in Markdown."""
    return [(one.at.strftime("%Y-%m-%d %H:%M:%S"), plain(one.who), plain(one.what), _subject(one.subject), plain(one.detail) or "–") for one in entries]


def _subject(subject: str) -> str:
    """A name as it is; of an id so much as tells it from others."""
    return f"`{subject[:8]}`" if _ID.fullmatch(subject) else plain(subject)


def _begins(day: date | None, later: int = 0) -> datetime | None:
    """The first moment of a day, or of one so many days later."""
    return None if day is None else datetime.combine(day + timedelta(days=later), time(), UTC)
