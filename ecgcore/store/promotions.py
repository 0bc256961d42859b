"""Which version of a model is in use, who put it there and why; and the way back.

The table alone says it: the newest row of a model. `in_use.json`, by which `inference.cards.find` goes, is written after it.
"""

import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from ecgcore import settings
from ecgcore.errors import InputError, ModelError, StoreError
from ecgcore.inference import cards
from ecgcore.inference.cards import Card
from ecgcore.review.commands import MAX_NAME, MAX_TEXT, check_text
from ecgcore.store import audit, database
from ecgcore.store.job_tables import PromotionRow
from ecgcore.store.store import Store

if TYPE_CHECKING:  # which takes scipy along
    from ecgcore.evaluation.comparison import Comparison

PROMOTE: Final = "promote"
ROLL_BACK: Final = "roll back"


@dataclass(frozen=True)
class Promotion:
    """A version of a model put in use in place of another; `was` and `now` are name@version.

    kind        "promote" or "roll back"
    sha256      of the weights put in use
    job_id      the comparison it rests on; None for a roll-back
    overridden  the refusals that `who` overrode, empty where there were none
    """

    seq: int
    at: datetime
    who: str
    kind: str
    model: str
    was: str
    now: str
    sha256: str
    reason: str
    job_id: str | None
    overridden: str


class Promotions:
    """The promotions of a store. Any number of processes may promote: one after the other, and each sees what the one before did."""

    def __init__(self, store: Store) -> None:
        self._engine = store.engine

    def in_use(self, name: str) -> str:
        """The version of a model that is in use, as name@version. Raises ModelError where there is no model of that name."""
        with database.read(self._engine) as session:
            return _in_use(_rows(session, name), name)

    def standing(self, name: str) -> Promotion | None:
        """The newest promotion or roll-back of a model, which put in use what is; None where there was none."""
        return next(reversed(self.history(name)), None)

    def history(self, name: str | None = None) -> tuple[Promotion, ...]:
        """All promotions and roll-backs, of one model or of all, the oldest first."""
        with database.read(self._engine) as session:
            return tuple(_promotion(row) for row in _rows(session, name))

    def before(self, name: str) -> str:
        """What `roll_back` would put in use, as name@version; empty where there is nothing to go back to."""
        with database.read(self._engine) as session:
            found, _ = _back(_rows(session, name), name)
        return found.id if found else ""

    def promote(self, model_id: str, comparison: "Comparison", job_id: str, who: str, reason: str, override_name: str = "") -> Promotion:
        """Put a version in use in place of the one that is, on a comparison of the two.

        override_name  the name of `who`, by which refusals of the comparison are overridden

        Raises InputError for a reason that is empty; ModelError where the model is not there or its weights are not its card's; StoreError where
        the comparison is of other models, or of what is no longer in use, and for refusals that are not overridden.
        """
        check_text(who, "user", MAX_NAME, needed=True)
        check_text(reason, "reason", MAX_TEXT, needed=True)
        overridden = _overridden(comparison, who, override_name)
        with database.write(self._engine) as session:
            lock(session)
            card = _verified(model_id)
            _check_new(card, model_id, comparison)
            rows = _rows(session, card.name)
            was = _in_use(rows, card.name)
            _check_current(rows, was, card, comparison)
            row = _row(PROMOTE, who, reason, was, card, job_id, overridden)
            session.add(row)
            audit.note(session, who, "model promoted", card.id, f"in place of {was}: {reason.strip()}; comparison {job_id}: {comparison.verdict}")
            if overridden:
                audit.note(session, who, "refusal overridden", card.id, overridden)
            session.flush()
            made = _promotion(row)
        self.sync()
        return made

    def roll_back(self, name: str, who: str, reason: str) -> Promotion:
        """Put back in use what was before the newest promotion that stands; once more goes one promotion further back.

        A version whose weights are no longer those that were in use is passed over. Where what is in use is gone itself, and nothing it
        replaced is left either, the newest shipped version is put in use.
        Raises InputError for a reason that is empty, StoreError where there is nothing to go back to.
        """
        check_text(who, "user", MAX_NAME, needed=True)
        check_text(reason, "reason", MAX_TEXT, needed=True)
        with database.write(self._engine) as session:
            lock(session)
            rows = _rows(session, name)
            card, passed = _back(rows, name)
            if card is None:
                why = f"{', '.join(passed)} {'is' if len(passed) == 1 else 'are'} not there any more; import one" if passed else "no promotion of it stands"
                raise StoreError(f"there is nothing to roll {name} back to: {why}")
            was = _in_use(rows, name)
            row = _row(ROLL_BACK, who, reason, was, card, None, "")
            session.add(row)
            over = f"; passed over, as not there any more: {', '.join(passed)}" if passed else ""
            audit.note(session, who, "model rolled back", card.id, f"in place of {was}: {reason.strip()}{over}")
            session.flush()
            made = _promotion(row)
        self.sync()
        return made

    def sync(self) -> None:
        """Have in_use.json say what the table says; whole or not at all, and the newest where several do so at once. Raises StoreError."""
        with database.write(self._engine) as session:
            lock(session)
            versions = {row.model: row.now.partition("@")[2] for row in _rows(session, None)}  # the newest is the last of its name
            path = settings.trained_weights() / cards.IN_USE
            said = json.dumps(versions, indent=1, sort_keys=True) + "\n" if versions else None
            if (path.read_text("utf-8", errors="replace") if path.is_file() else None) == said:
                return
            if said is None:
                path.unlink()
                return
            path.parent.mkdir(parents=True, exist_ok=True)
            beside = path.with_name(f".{uuid.uuid4().hex}.part")
            try:
                beside.write_text(said, "utf-8")
                beside.replace(path)
            finally:
                beside.unlink(missing_ok=True)


def lock(session: Session) -> None:
    """Be the only one who promotes or deletes models until the transaction ends. On SQLite whoever writes is the only one anyway."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("LOCK TABLE promotions IN EXCLUSIVE MODE"))


def why_kept(session: Session, model_id: str) -> str:
    """Why a version must not be deleted, in words; empty where it may."""
    name = model_id.partition("@")[0]
    rows = _rows(session, name)
    if _in_use(rows, name) == model_id:
        return "it is in use"
    return "it was in use, and analyses and the audit log rest on it" if any(model_id in (row.was, row.now) for row in rows) else ""


def _rows(session: Session, name: str | None) -> Sequence[PromotionRow]:
    chosen = select(PromotionRow).order_by(PromotionRow.seq)
    return session.scalars(chosen if name is None else chosen.where(PromotionRow.model == name)).all()


def _in_use(rows: Sequence[PromotionRow], name: str) -> str:
    """What the newest row of a model says; without one what Leadwise came with."""
    if rows:
        return rows[-1].now
    found = cards.by_default(name)
    if found is None:
        raise ModelError(f"no model {name!r} is there to be in use; train or import one")
    return found


def _back(rows: Sequence[PromotionRow], name: str) -> tuple[Card | None, list[str]]:
    """What a roll-back puts in use, and the versions it passes over as they are no longer there."""
    if not rows:
        return None, []
    weights = {row.now: row.sha256 for row in rows}
    stack = [rows[0].was]
    for row in rows:
        if row.kind == PROMOTE:
            stack.append(row.now)
            continue
        while len(stack) > 1 and stack[-1] != row.now:
            stack.pop()
        stack[-1] = row.now
    passed: list[str] = []
    default = cards.by_default(name)
    lost = _there(stack[-1], weights.get(stack[-1])) is None
    for version in (*reversed(stack[:-1]), *([default] if lost and default not in (None, stack[-1]) else [])):
        if version is not None and (card := _there(version, weights.get(version))):
            return card, passed
        passed.append(str(version))
    return None, passed


def _there(model_id: str, sha256: str | None) -> Card | None:
    """The card of a version whose weights are there, and still those of that sha256 where it is known."""
    try:
        card = _verified(model_id)
    except ModelError:
        return None
    return card if sha256 in (None, card.sha256) else None


def _verified(model_id: str) -> Card:
    """The card of a version that can be used. Raises ModelError."""
    if "@" not in model_id:
        raise ModelError(f"{model_id!r} names no version; wanted is one such as beats@2")
    folder = cards.find(model_id)
    card = cards.read_card(folder)
    cards.verified_weights(folder, card)
    if card.control_sha256 is not None:
        cards.verified_control(folder, card)
    return card


def _check_new(card: Card, model_id: str, comparison: "Comparison") -> None:
    """The comparison is of this model, with these weights."""
    if comparison.new != model_id:
        raise StoreError(f"the comparison is of {comparison.new}, not of {model_id}; compare {model_id} with what is in use")
    if comparison.new_sha256 != card.sha256:
        raise StoreError(f"the weights of {model_id} are not those that were compared ({comparison.new_sha256[:12]}…, now {card.sha256[:12]}…); compare again")


def _check_current(rows: Sequence[PromotionRow], was: str, card: Card, comparison: "Comparison") -> None:
    """The comparison is against what is in use at this moment."""
    if was == card.id:
        raise StoreError(f"{card.id} is in use already")
    if was.partition("@")[0] != comparison.current.partition("@")[0]:
        raise StoreError(f"the comparison is against {comparison.current}; {card.id} would replace {was}: compare it with that")
    if comparison.current != was:
        changed = f": {rows[-1].who} put {was} in use at {rows[-1].at:%Y-%m-%d %H:%M} UTC" if rows else ""
        raise StoreError(f"what is in use changed{changed}; the comparison is against {comparison.current}, so compare {card.id} with {was}")


def _overridden(comparison: "Comparison", who: str, override_name: str) -> str:
    """The refusals that are overridden, a line each. Raises StoreError where they are not."""
    if override_name and override_name != who:
        raise InputError(f"the name {override_name[:80]!r} overrides nothing; to override a refusal, {who} gives that name")
    if comparison.refusals and not override_name:
        raise StoreError(f"{comparison.new} is not promoted. {' '.join(comparison.refusals)} {who} can override this by name")
    return "\n".join(comparison.refusals)


def _row(kind: str, who: str, reason: str, was: str, card: Card, job_id: str | None, overridden: str) -> PromotionRow:
    return PromotionRow(
        at=datetime.now(UTC),
        who=who,
        kind=kind,
        model=card.name,
        was=was,
        now=card.id,
        sha256=card.sha256,
        reason=reason.strip(),
        job_id=job_id,
        overridden=overridden,
    )


def _promotion(row: PromotionRow) -> Promotion:
    return Promotion(row.seq, row.at, row.who, row.kind, row.model, row.was, row.now, row.sha256, row.reason, row.job_id, row.overridden)
