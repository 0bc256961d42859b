"""What a site's readers signed, on synthetic records."""

from contextlib import contextmanager

import numpy as np
import pytest
import torch

from ecgcore import data
from ecgcore.demo import record_of, synthesise
from ecgcore.findings import AAMI_OF_MIT
from ecgcore.site import SiteData, SiteRecord
from tests.training.tiny import rhythm


def signed(name, seed, part, corrected=(3, 5), code="V", seconds=60):
    """A record that a reader signed, some of its beats corrected to `code`."""
    beats = rhythm(seed, seconds)
    record = record_of(name, synthesise(beats, seconds, ("II", "V1"), 250, seed=100 + seed), beats, ("II", "V1"), 250)
    found = data.beats_of(record)
    codes = tuple(code if number in corrected else was for number, was in enumerate(found.codes))
    labelled = data.LabelledBeats(record, found.samples, tuple(AAMI_OF_MIT[one] for one in codes), codes)
    return SiteRecord(labelled, np.isin(np.arange(len(codes)), corrected), f"patient {name}", part)


def site_of(*records):
    """A version of a site's data set."""
    return SiteData(3, "0" * 64, records)


@contextmanager
def power_cut(monkeypatch, module):
    """What is trained inside breaks off as its second epoch begins."""
    begin = module.on_train_epoch_start

    def break_in_the_second_epoch(self):
        begin(self)
        if self.current_epoch == 1:
            raise RuntimeError("power cut")

    with monkeypatch.context() as broken:
        broken.setattr(module, "on_train_epoch_start", break_in_the_second_epoch)
        with pytest.raises(RuntimeError, match="power cut"):
            yield


def repeats_and_resumes(monkeypatch, module, tuned):
    """The same seed gives the same network, another seed another, and a run broken off and gone on with ends as an unbroken one.

    tuned  the network of a run by its name; may be asked for another seed, and to go on with what is there
    """
    unbroken = tuned("unbroken")
    with power_cut(monkeypatch, module):
        tuned("broken")
    assert same(unbroken, tuned("broken", resume=True))
    assert not same(unbroken, tuned("other", seed=9))


def same(a, b):
    """Whether two networks have the same weights."""
    return all(torch.equal(one, other) for one, other in zip(a.state_dict().values(), b.state_dict().values(), strict=True))
