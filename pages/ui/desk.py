"""What pages and routes share in one process: the store, and the recordings, analyses and readings that are open. Knows nothing of Streamlit."""

from functools import lru_cache, partial
from pathlib import Path

from ecgcore import settings
from ecgcore.findings import Analysis, EctopyMap
from ecgcore.progress import Progress
from ecgcore.record import Annotation, Record
from ecgcore.rhythm_findings import Rhythm, RhythmTrend
from ecgcore.signals.pyramid import Pyramid
from ecgcore.store import Store
from ecgcore.store.audit import Audit
from ecgcore.store.datasets import Datasets, Manifest
from ecgcore.store.jobs import Jobs, Workers
from ecgcore.store.promotions import Promotions
from ecgcore.store.reconstructions import Reconstructions
from ecgcore.store.reviews import Reviews
from ecgcore.store.sessions import Sessions
from pages.ui.making import Making

OPEN_RECORDS = 8
OPEN_ANALYSES = 8
KEPT_MAPS = 4  # that of a day has some ten million strengths
KEPT_RHYTHMS = 512  # each of a stretch and some leads: comparing the leads of one stretch takes some twenty
KEPT_TRENDS = 8


def store() -> Store:
    """The store of this process. Raises StoreError."""
    return _store(settings.home(), settings.database_url())


def reviews() -> Reviews:
    """The readings in that store."""
    return _reviews(store())


def sessions() -> Sessions:
    """The review sessions in that store."""
    return Sessions(store())


def reconstructions() -> Reconstructions:
    """The accepted reconstructions in that store."""
    return Reconstructions(store())


def jobs() -> Jobs:
    """The long work in that store."""
    return Jobs(store())


def workers() -> Workers:
    """The worker processes that the store knows of."""
    return Workers(store())


def datasets() -> Datasets:
    """The versions of this site's data set; what was found out of a signed reading is kept."""
    return _datasets(store())


def signed_now() -> Making[Manifest]:
    """What a data set version would hold, from a first look at all signed readings: made once it is begun. Afterwards `datasets().preview()` is quick."""
    return _signed_now(datasets())


def promotions() -> Promotions:
    """Which version of each model was put in use."""
    return Promotions(store())


def audit() -> Audit:
    """Who did what to what all users share."""
    return Audit(store())


def record(record_id: str) -> Record:
    """A stored recording, its samples mapped. Raises StoreError, for one that was deleted too."""
    opened = store()
    return _record(opened, record_id, opened.get(record_id).created.isoformat())


def pyramid(record_id: str) -> Pyramid:
    """The least and greatest values of a stored recording at every zoom. Raises StoreError."""
    opened = store()
    return _pyramid(opened, record_id, opened.get(record_id).created.isoformat())


def analysis(analysis_id: str) -> Analysis:
    """A stored analysis. Raises StoreError."""
    return _analysis(store(), analysis_id)


def ectopy_map(record_id: str, lead: str, model: str) -> Making[EctopyMap]:
    """The map of a stored recording on one lead by a model (name@version): made once it is begun, then kept. Raises StoreError."""
    opened = store()
    return _ectopy_map(opened, record_id, opened.get(record_id).created.isoformat(), lead, model)


def rhythm(record_id: str, leads: tuple[str, ...], span_s: tuple[float, float | None], model: str, *, checks: bool = False) -> Rhythm:
    """The rhythm of a stretch (start, stop in s; None the end) of a stored recording on some leads by a model (name@version): found once, then kept. Raises EcgError."""
    opened = store()
    return _rhythm(opened, record_id, opened.get(record_id).created.isoformat(), leads, span_s, model, checks)


def rhythm_trend(record_id: str, leads: tuple[str, ...], model: str) -> Making[RhythmTrend]:
    """The rhythm along a stored recording on some leads by a model (name@version): made once it is begun, then kept. Raises StoreError."""
    opened = store()
    return _rhythm_trend(opened, record_id, opened.get(record_id).created.isoformat(), leads, model)


def annotation(record_id: str, annotator: str) -> Annotation:
    """An annotation file that came with a recording. Raises InputError naming those there are."""
    return record(record_id).annotation(annotator)


@lru_cache(maxsize=4)
def _store(home: Path, database_url: str) -> Store:
    opened = Store(home, database_url)
    Promotions(opened).sync()  # another process may have promoted, and died before it wrote the file
    return opened


@lru_cache(maxsize=4)
def _reviews(opened: Store) -> Reviews:
    return Reviews(opened)


@lru_cache(maxsize=4)
def _datasets(opened: Store) -> Datasets:
    return Datasets(opened)


@lru_cache(maxsize=4)
def _signed_now(sets: Datasets) -> Making[Manifest]:
    return Making(partial(_looked_through, sets))


def _looked_through(sets: Datasets, told: Progress) -> Manifest:
    told(0.0, "looking through the signed readings")
    return sets.preview()


@lru_cache(maxsize=OPEN_RECORDS)
def _record(opened: Store, record_id: str, _created: str) -> Record:
    return opened.open(record_id)


@lru_cache(maxsize=OPEN_RECORDS)
def _pyramid(opened: Store, record_id: str, _created: str) -> Pyramid:
    return opened.pyramid(record_id)


@lru_cache(maxsize=OPEN_ANALYSES)
def _analysis(opened: Store, analysis_id: str) -> Analysis:
    return opened.analysis(analysis_id)


@lru_cache(maxsize=KEPT_MAPS)
def _ectopy_map(opened: Store, record_id: str, created: str, lead: str, model: str) -> Making[EctopyMap]:
    return Making(partial(_located, _record(opened, record_id, created), lead, model))


def _located(record: Record, lead: str, model: str, told: Progress) -> EctopyMap:
    from ecgcore.ectopy import locate

    return locate(record, (lead,), model=model, progress=told)


@lru_cache(maxsize=KEPT_RHYTHMS)
def _rhythm(opened: Store, record_id: str, created: str, leads: tuple[str, ...], span_s: tuple[float, float | None], model: str, checks: bool) -> Rhythm:
    from ecgcore.rhythm import rhythm_of

    return rhythm_of(_record(opened, record_id, created), leads, start_s=span_s[0], stop_s=span_s[1], model=model, checks=checks)


@lru_cache(maxsize=KEPT_TRENDS)
def _rhythm_trend(opened: Store, record_id: str, created: str, leads: tuple[str, ...], model: str) -> Making[RhythmTrend]:
    return Making(partial(_followed, _record(opened, record_id, created), leads, model))


def _followed(record: Record, leads: tuple[str, ...], model: str, told: Progress) -> RhythmTrend:
    from ecgcore.rhythm import rhythm_along

    return rhythm_along(record, leads, model=model, progress=told)
