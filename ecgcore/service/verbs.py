"""From what was sent to what is answered: a body → Record → finding → answer. Runs on a worker's thread."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from pydantic import ValidationError

from ecgcore.errors import EcgError, InputError, ModelError
from ecgcore.record import Record
from ecgcore.service import asked, signals, uploads
from ecgcore.service.answers import BeatsAnswer, ModelAnswer, ModelsAnswer, RhythmAnswer, TrendAnswer
from ecgcore.service.asked import Options, Signals
from ecgcore.service.refused import Refused

JSON: Final = "application/json"
RHYTHM_MODEL: Final = "universal"
BEAT_MODEL: Final = "beats"
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Job:
    """A recording, the leads of it to look at, and what is asked of it."""

    record: Record
    leads: tuple[str, ...]
    options: Options


def job_of(body: bytearray, content_type: str) -> Job:
    """What a body asks. Raises Refused, InputError."""
    kind = media_type(content_type)
    if kind == JSON:
        return job_of_signals(asked.parse(body, Signals))
    form = uploads.parse(body, content_type)
    options = uploads.options_of(form)
    record = uploads.record_of(form)
    return Job(record, signals.checked(record, options.use, form.fields.get("units")), options)


def job_of_signals(sent: Signals) -> Job:
    """What raw signals ask. Raises Refused, InputError."""
    record = signals.record_of(sent)
    return Job(record, signals.checked(record, sent.use, sent.units), sent)


def job_of_item(item: Any) -> Job:
    """What one recording of a batch asks. Raises Refused, InputError."""
    try:
        return job_of_signals(Signals.model_validate(item))
    except ValidationError as error:
        raise Refused(422, asked.said_of(error)) from error


def media_type(content_type: str) -> str:
    """JSON or multipart. Raises Refused, 415, for anything else."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind not in (JSON, uploads.MULTIPART):
        raise Refused(415, f"a body of {kind[:60]!r} is not read; send signals as {JSON}, or files as {uploads.MULTIPART}")
    return kind


def rhythm(job: Job) -> RhythmAnswer:
    """The rhythm of a stretch. Raises Refused, InputError."""
    from ecgcore import rhythm as told

    options = job.options
    start_s = options.start_s or 0.0
    stop_s = job.record.duration_s if options.stop_s is None else options.stop_s
    if stop_s - start_s > told.LONGEST_S:
        raise InputError(f"{stop_s - start_s:g} s have no one rhythm; send {told.LEAST_S:g} to {told.LONGEST_S:g} s, name a stretch by start_s and stop_s, or ask /v1/rhythm/trend")
    name = options.model or RHYTHM_MODEL
    return RhythmAnswer.of(_with(options, lambda: told.rhythm_of(job.record, job.leads, start_s=start_s, stop_s=stop_s, model=name, checks=options.checks)))


def trend(job: Job) -> TrendAnswer:
    """The rhythm along a recording. Raises Refused, InputError."""
    from ecgcore.rhythm import rhythm_along

    _refuse(job.options, "start_s", "stop_s", "checks")
    return TrendAnswer.of(_with(job.options, lambda: rhythm_along(job.record, job.leads, model=job.options.model or RHYTHM_MODEL)))


def beats(job: Job) -> BeatsAnswer:
    """Every beat of a recording. Raises Refused, InputError."""
    from ecgcore.analysis import analyze

    _refuse(job.options, "start_s", "stop_s", "checks")
    return BeatsAnswer.of(_with(job.options, lambda: analyze(job.record, job.leads, model=job.options.model or BEAT_MODEL, rhythm_model=None)), job.record.notes)


def models() -> ModelsAnswer:
    """The cards of all models. Raises ModelError."""
    from ecgcore.inference.cards import available

    return ModelsAnswer(models=tuple(ModelAnswer.of(card) for _, card in available()))


def status_of(error: EcgError) -> int:
    """The status by which an error is answered: it is the sender's, unless a model that was not asked for is not there."""
    if isinstance(error, Refused):
        return error.status
    return 422 if isinstance(error, InputError) else 503


def _with(options: Options, work: Callable[[], Answer]) -> Answer:
    """The work's outcome; a model that was asked for by name and is not there, or does not fit, is the sender's to mend."""
    try:
        return work()
    except ModelError as error:
        if options.model is not None:
            raise Refused(422, str(error)) from error
        raise


def _refuse(options: Options, *names: str) -> None:
    stated: Iterable[str] = [name for name in names if getattr(options, name) not in (None, False)]
    if stated:
        raise InputError(f"{', '.join(stated)} cannot be given here; a stretch and its checks are asked of /v1/rhythm")
