"""The command line: python -m ecgcore VERB. Errors are one line on stderr, exit status 2."""

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ecgcore import cli_desk, cli_models
from ecgcore.cli_output import one_line_of_progress, print_json
from ecgcore.errors import EcgError, FormatError, InputError

DISCLAIMER = "Not a medical device; every finding needs a physician's over-read."


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; 0, or 2 after an error that the user can mend."""
    parser = _parser()
    options, more = parser.parse_known_args(arguments)
    if more and not options.passes_on:
        parser.error(f"unrecognized arguments: {' '.join(more)}")
    options.more = more
    try:
        options.run(options)
    except EcgError as error:
        print(f"ecgcore: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # whoever read the output has seen enough, as `| head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        print(f"ecgcore: {error.strerror or error}: {error.filename or 'output'}", file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m ecgcore", description="ECG recordings in, beats out.", epilog=DISCLAIMER)
    parser.set_defaults(passes_on=False)
    verbs = parser.add_subparsers(required=True, metavar="VERB")

    info = _verb(verbs, "info", _info, "the header of a recording, as JSON")
    info.add_argument("file", metavar="FILE", help="a recording; for WFDB the record's path or its .hea")
    _facts(info)

    analyze = _verb(verbs, "analyze", _analyze, "find and classify every beat, of one recording or of all in a folder")
    analyze.add_argument("file", metavar="FILE", help="a recording; or with --out a folder of recordings")
    analyze.add_argument("--leads", help="names with commas, such as II,V1; all when left out")
    analyze.add_argument("--model", default="beats", help="name or name@version (default: beats)")
    analyze.add_argument("--json", action="store_true", help="the whole Analysis as JSON")
    analyze.add_argument("--atr", type=Path, metavar="DIR", help="write the beats as a WFDB annotation file DIR/<record>.lw")
    _facts(analyze)
    many = analyze.add_argument_group("for a folder of recordings")
    many.add_argument("--out", type=Path, metavar="TABLE.parquet", help="a row for each recording; the same command again goes on where it stopped")
    many.add_argument("--workers", type=int, metavar="N", help="processes of this machine (default: one a core)")
    many.add_argument("--scheduler", metavar="ADDRESS", help="share the work with a Dask cluster, such as tcp://host:8786")
    many.add_argument("--restart", action="store_true", help="make all rows anew")

    convert = _verb(verbs, "convert", _convert, "write a recording as WFDB (.hea), EDF+ (.edf) or CSV (.csv)")
    convert.add_argument("file", metavar="FILE")
    convert.add_argument("out", metavar="OUT", type=Path)
    convert.add_argument("--review", type=Path, metavar="JSON", help="name the reconstructions accepted in this review of the recording, and write their values beside it")
    _facts(convert)

    cli_models.add(verbs, _verb)
    data = _verb(verbs, "data", _data, "fetch a public data set from PhysioNet: data get NAME")
    data.add_argument("what", choices=("get",))
    data.add_argument("name", metavar="NAME", help="mitdb, svdb, …")
    cli_desk.add(verbs, _verb)
    serve = _verb(verbs, "serve", _serve, "answer requests by HTTP with beats and rhythm")
    serve.add_argument("--host", default="127.0.0.1", help="address to listen at; for any other than this machine's own LEADWISE_API_KEYS must be set (default: 127.0.0.1)")
    serve.add_argument("--port", type=int, default=8000, help="port to listen at (default: 8000)")
    serve.add_argument("--new-key", action="store_true", help="make an API key instead: print it, and what to put into LEADWISE_API_KEYS")
    demo = _verb(verbs, "demo", _demo, "write the synthetic demo records as WFDB")
    demo.add_argument("folder", metavar="DIR", type=Path)
    return parser


def _verb(verbs: Any, name: str, run: Any, what: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = verbs.add_parser(name, help=what, description=what.capitalize() + ".", epilog=DISCLAIMER)
    parser.set_defaults(run=run)
    return parser


def _facts(parser: argparse.ArgumentParser) -> None:
    """What a CSV file may leave out."""
    group = parser.add_argument_group("for CSV, TSV and Parquet that leave it out")
    group.add_argument("--fs", type=float, dest="fs_hz", metavar="HZ", help="sampling rate in Hz")
    group.add_argument("--units", help="mV, uV or V")
    group.add_argument("--lead-names", metavar="NAMES", help="names of the columns, with commas")


def _read(options: argparse.Namespace) -> Any:
    from ecgcore.errors import MissingFactError
    from ecgcore.readers import read

    names = options.lead_names.split(",") if options.lead_names else None
    try:
        return read(options.file, fs_hz=options.fs_hz, units=options.units, leads=names)
    except MissingFactError as error:
        flags = {"fs_hz": "--fs", "units": "--units", "leads": "--lead-names"}
        raise InputError(f"{error}; state {', '.join(flags[fact] for fact in error.facts)}") from error


def _info(options: argparse.Namespace) -> None:
    from ecgcore.findings import Info

    print_json(asdict(Info.of(_read(options))))


def _analyze(options: argparse.Namespace) -> None:
    from ecgcore.analysis import analyze
    from ecgcore.record import Annotation

    if options.out is not None or (Path(options.file).is_dir() and not Path(f"{options.file}.hea").is_file()):
        _analyze_folder(options)
        return
    if options.workers is not None or options.scheduler or options.restart:
        raise InputError("--workers, --scheduler and --restart are for a folder of recordings, with --out TABLE.parquet")
    record = _read(options)
    analysis = analyze(record, options.leads.split(",") if options.leads else None, model=options.model)
    if options.atr:
        from ecgcore.writers import wfdb

        options.atr.mkdir(parents=True, exist_ok=True)
        wfdb.write_annotation(Annotation.of("lw", analysis.beats.samples, analysis.beats.codes), record.fs_hz, options.atr / f"{record.name}.lw")
    print(analysis.to_json() if options.json else _summary(analysis))


def _analyze_folder(options: argparse.Namespace) -> None:
    """A row for each recording in a folder. Stopped by Ctrl-C, it says how to go on, and ends with status 130."""
    from ecgcore.archive import analyze_folder

    if options.out is None:
        raise InputError(f"{options.file} is a folder; say where the table of its recordings is to go: --out TABLE.parquet")
    if not Path(options.file).is_dir():
        raise InputError(f"--out is for a folder of recordings, and {options.file} is none")
    if options.json or options.atr:
        raise InputError("--json and --atr are for one recording; of a folder the table of --out is written")
    facts = {"fs_hz": options.fs_hz, "units": options.units, "lead_names": options.lead_names.split(",") if options.lead_names else None}
    shared = {"scheduler": options.scheduler, "workers": options.workers, "restart": options.restart}
    with one_line_of_progress() as progress:
        try:
            made = analyze_folder(options.file, options.out, options.leads.split(",") if options.leads else None, model=options.model, progress=progress, **shared, **facts)
        except KeyboardInterrupt:
            print("\necgcore: stopped; what is done is kept, and the same command goes on from there", file=sys.stderr)
            raise SystemExit(130) from None
    print(f"{made.table}: {made.recordings:,} recordings, {made.made:,} of them analysed now in {made.seconds:.1f} s, {made.errors:,} with an error")
    if made.skipped:
        print(f"skipped {len(made.skipped):,} files that are no recording: {', '.join(made.skipped[:5])}{', …' if len(made.skipped) > 5 else ''}")
    print(DISCLAIMER)


def _summary(analysis: Any) -> str:
    """The Analysis for a reader at the terminal."""
    record, beats = analysis.record, analysis.beats
    share = {name: f"{burden:.1%}" if burden == burden else "–" for name, burden in beats.burden.items()}  # NaN where there is no beat
    lines = [
        f"{record.name}  {record.format}, {record.duration_s:.0f} s at {record.fs_hz:g} Hz, leads {', '.join(analysis.leads)}",
        f"beats   {len(beats)} by {beats.detector}, classified by {beats.model}",
        *(f"  {name}  {count:6d}  {share[name]}" for name, count in beats.counts.items()),
        *_told(analysis.rhythm),
        "signal  " + ", ".join(f"{lead} {usable:.0%} usable" for lead, usable in analysis.quality.usable.items()),
        *(f"note    {note}" for note in (*record.notes, *analysis.notes)),
        f"time    {sum(analysis.timing_s.values()):.2f} s",
        DISCLAIMER,
    ]
    return "\n".join(lines)


def _told(rhythm: Any) -> list[str]:
    """The line of the rhythm; none where none was asked for or told."""
    if rhythm is None:
        return []
    said = f"{rhythm.label}, probability {rhythm.probabilities[rhythm.label]:.2f}" if rhythm.sure else f"not sure: {rhythm.doubt}"
    return [f"rhythm  {said}, by {rhythm.model}"]


def _convert(options: argparse.Namespace) -> None:
    from ecgcore.api import convert

    record = _read(options)
    for path in convert(record, options.out, _accepted(options.review, record) if options.review else ()):
        print(path)


def _accepted(review: Path, record: Any) -> tuple[Any, ...]:
    """The reconstructions in a review file, which must be of this recording."""
    from ecgcore.writers.review import read_review_json

    try:
        found = read_review_json(review.read_text("utf-8"))
    except UnicodeDecodeError as error:
        raise FormatError(f"{review.name} is not text; --review wants the JSON that Review exports") from error
    of = found.analysis.record
    if (of.leads, of.fs_hz, of.n_samples) != (record.leads, record.fs_hz, record.n_samples):
        raise InputError(f"{review.name} is of {of.name}, {of.n_samples} samples of {', '.join(of.leads)} at {of.fs_hz:g} Hz; {record.name} is another recording")
    return found.reconstructions


def _data(options: argparse.Namespace) -> None:
    from ecgcore.data import fetch

    print(fetch(options.name))


def _serve(options: argparse.Namespace) -> None:
    from ecgcore.service import keys

    if options.new_key:
        key = keys.new_key()
        print(f"key, for the client, shown this once: {key}\nSHA-256, for LEADWISE_API_KEYS: {keys.digest_of(key)}")
        return
    from ecgcore.service.serve import serve

    serve(options.host, options.port, lambda said: print(said, file=sys.stderr, flush=True))


def _demo(options: argparse.Namespace) -> None:
    from ecgcore.demo import write_demos

    for path in write_demos(options.folder):
        print(path)
