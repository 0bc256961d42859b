"""What a job of each kind does, in a process of its own."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeAlias

from ecgcore import settings
from ecgcore.errors import EcgError
from ecgcore.jobs.specs import CompareSpec, RecomputeSpec, TrainSpec
from ecgcore.jobs.watching import Watching
from ecgcore.progress import watched
from ecgcore.site import SiteData
from ecgcore.store import Store
from ecgcore.store.jobs import Job, Jobs

Work: TypeAlias = Callable[[Store, Job, Any], str]  # the last is the job's spec; what comes of it is JSON


def train(store: Store, job: Job, spec: TrainSpec) -> str:
    """A model trained or fine-tuned, put among those of this installation: its name, folder and figures. A run that was cut off is gone on with."""
    from ecgcore.training.tuning import Retraining, retrain

    run = run_of(job.id)
    how = Retraining(
        recipe=spec.recipe,
        run=run,
        start=spec.start,
        public=spec.public,
        site=_site(store, spec.dataset),
        weight=spec.weight,
        device=spec.device,
        minutes=spec.minutes,
        resume=run.is_dir(),
        seed=spec.seed,
    )
    with Watching(Jobs(store), job, spec.minutes) as watch, watched(watch):
        card, folder = retrain(how)
    return json.dumps({"model": card.id, "folder": str(folder), "figures": [figure.model_dump() for figure in card.figures]})


def compare(store: Store, job: Job, spec: CompareSpec) -> str:
    """The Comparison of two models; what was measured of the new one goes onto its card."""
    from ecgcore.comparing import compare_models, onto_card

    with Watching(Jobs(store), job) as watch:
        comparison = compare_models(spec.new, spec.current, site=_site(store, spec.dataset), progress=watch.progress)
    onto_card(comparison)
    return comparison.model_dump_json()


def recompute(store: Store, job: Job, spec: RecomputeSpec) -> str:
    """Records analysed anew: how many, how many had such an analysis already, and what went wrong by record. Each is kept at once, the old ones stay."""
    from ecgcore.inference.cards import find, read_card

    model = read_card(find(spec.model)).id
    chosen = spec.records if spec.records is not None else tuple(record.id for record in store.list())
    made, there, failures = 0, 0, []
    with Watching(Jobs(store), job) as watch:
        for done, record_id in enumerate(chosen):
            watch.progress(done / len(chosen), f"record {done + 1} of {len(chosen)}")
            try:
                new = _recomputed(store, record_id, model)
            except EcgError as error:
                failures.append({"record": record_id, "why": str(error)})
                watch.said(f"record {done + 1} ({record_id}): {error}")
            else:
                made, there = made + new, there + (not new)
    return json.dumps({"model": model, "analysed": made, "there": there, "failures": failures})


FUNCTIONS: Final[dict[str, Work]] = {"train": train, "compare": compare, "recompute": recompute}


def run_of(job_id: str) -> Path:
    """The folder in which a job's training keeps what it goes on from."""
    return settings.runs() / job_id


def _recomputed(store: Store, record_id: str, model: str) -> bool:
    """Whether a record was analysed anew, on the leads of its newest analysis, all where it has none; False where there is such an analysis. Raises EcgError."""
    from ecgcore.analysis import analyze

    before = store.analyses(record_id)
    leads = before[0].leads if before else None
    if any((old.leads, f"{old.model}@{old.version}") == (leads, model) for old in before):
        return False
    store.save_analysis(record_id, analyze(store.open(record_id), leads, model=model))
    return True


def _site(store: Store, number: int | None) -> SiteData | None:
    from ecgcore.store.datasets import Datasets

    return None if number is None else Datasets(store).load(number)
