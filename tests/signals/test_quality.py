"""Signal quality: each fault is named with what was measured, and good signal is left alone."""

import numpy as np
import pytest

from ecgcore.analysis import analyze
from ecgcore.demo import make_demo
from ecgcore.signals.quality import judge

FS_HZ = 250.0


def wave(amplitude=1.0):
    return (amplitude * np.sin(2 * np.pi * 1.2 * np.arange(2500) / FS_HZ) ** 9).astype(np.float32)


def test_good_signal_has_no_mark():
    assert judge(wave(), FS_HZ, (-1.0, 1.0)) is None


def test_each_fault_is_named():
    gap = wave()
    gap[:500] = np.nan
    rail = np.clip(wave(3.0), -1.0, 1.0)
    stuck = wave()
    stuck[1000:2000] = 0.25
    assert judge(gap, FS_HZ, (-1, 1)) == ("missing", "20% of the samples are missing")
    assert judge(np.zeros(2500, np.float32), FS_HZ, (-1, 1)) == ("flat", "range 0.000 mV, below 0.05 mV")
    assert judge(rail, FS_HZ, (-1, 1))[0] == "clipped"
    assert judge(stuck, FS_HZ, (-1, 1)) == ("flat", "one value for 4.0 s")
    assert judge(np.full(2500, np.nan, np.float32), FS_HZ, (-1, 1))[0] == "missing"


@pytest.mark.parametrize(("lead", "kind", "start_s", "stop_s"), [("II", "flat", 20, 30), ("V1", "noise", 40, 60), ("V5", "missing", 70, 80), ("V5", "clipped", 90, 100)])
def test_faults_of_the_demo_record_are_found_where_they_are(lead, kind, start_s, stop_s):
    marks = analyze(make_demo("demo-artefacts")).quality.marks
    found = [mark for mark in marks if mark.lead == lead and mark.start_s < stop_s and mark.stop_s > start_s]
    assert [mark.kind for mark in found] == [kind] * len(found)
    assert found


def test_a_clean_record_is_usable():
    assert analyze(make_demo("demo-ectopy")).quality.usable == {"MLII": 1.0, "V1": 1.0}
