"""The loader of the 334-patient set, on files made in its layout, and the arms run on it end to end."""

import numpy as np
import pandas as pd
import pytest

from ecgcore.errors import DataError
from ecgcore.leads import STANDARD
from ecgcore.training import pvc_origin, segment_arms
from ecgcore.training.recipes import load

ORIGINS = {"P001": "RVOT septum", "P002": "LVOT: left coronary cusp", "P003": "RVOT free wall", "P004": "Left ventricular summit", "P005": "Tricuspid annulus", "P006": "unknown"}


def write_signals(folder, names, samples=4000):
    (folder / "ECGs").mkdir(parents=True)
    shuffled = [STANDARD[(i + 3) % 12] for i in range(12)]
    for k, name in enumerate(names):
        t = np.arange(samples) / pvc_origin.FS_HZ
        columns = [1000 * (1 + STANDARD.index(lead)) * np.sin(2 * np.pi * (2 + k) * t) for lead in shuffled]
        text = "\n".join([",".join(shuffled), *(",".join(f"{value:.2f}" for value in row) for row in np.stack(columns, axis=1))])
        (folder / "ECGs" / f"{name}.csv").write_text(text)


def write_workbook(path, table):
    header, *rows = table
    pd.DataFrame(rows, columns=header).to_excel(path, index=False)


@pytest.fixture
def folder(tmp_path):
    write_signals(tmp_path, ORIGINS)
    write_workbook(tmp_path / "Diagnosis.xlsx", [("FileName", "Origin"), *ORIGINS.items()])
    return tmp_path


def test_patients_with_a_known_origin_are_read_with_twelve_leads_in_mv(folder):
    found = list(pvc_origin.load(folder))
    assert [(one.name, one.site) for one in found] == [("P001", "RVOT"), ("P002", "LVOT"), ("P003", "RVOT"), ("P004", "LVOT"), ("P005", "RV")]
    assert found[0].mv.shape == (12, 4000)
    assert np.abs(found[0].mv).max(axis=1) == pytest.approx(np.arange(1, 13), rel=0.01)


def test_a_table_in_csv_will_do(folder):
    (folder / "Diagnosis.xlsx").unlink()
    (folder / "Diagnosis.csv").write_text("id,diagnosis\n" + "\n".join(f"{name}.csv,{said}" for name, said in ORIGINS.items()))
    assert len(list(pvc_origin.load(folder))) == 5


def test_each_task_takes_the_patients_it_is_about(folder):
    side = pvc_origin.segment_set(pvc_origin.load(folder), "side", 500.0, 5000, (0.5, 40.0))
    tract = pvc_origin.segment_set(pvc_origin.load(folder), "outflow tract", 500.0, 5000, (0.5, 40.0))
    assert (side.counts, tract.counts) == ({"RV": 3, "LV": 2}, {"RVOT": 2, "LVOT": 2})
    assert side.windows.shape == (5, 12, 5000)
    assert not side.windows[:, :, 1000:].any()
    assert side.windows[0, 4].std() == pytest.approx(side.windows[0, 7].std(), rel=0.01)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda folder: (folder / "Diagnosis.xlsx").unlink(), "no Diagnosis.xlsx or Diagnosis.csv"),
        (lambda folder: (folder / "Diagnosis.xlsx").write_bytes(b"PK no workbook"), "is no Excel workbook"),
        (lambda folder: write_workbook(folder / "Diagnosis.xlsx", [("FileName", "Sex"), ("P001", "F")]), "has the columns filename, sex; wanted are one of"),
        (lambda folder: (folder / "ECGs" / "P003.csv").unlink(), "no P003.csv"),
        (lambda folder: (folder / "ECGs" / "P001.csv").write_text("I,II\n1,2\n"), "P001.csv has no lead III, aVR"),
    ],
)
def test_a_folder_that_does_not_hold_the_set_is_an_error(folder, spoil, said):
    spoil(folder)
    with pytest.raises(DataError, match=said):
        list(pvc_origin.load(folder))


def test_a_patient_without_an_origin_is_left_out(tmp_path):
    write_signals(tmp_path, ["P001", "P002"])
    write_workbook(tmp_path / "Diagnosis.xlsx", [("FileName", "Origin"), ("P001", "RVOT"), ("P002", None)])
    assert [one.name for one in pvc_origin.load(tmp_path)] == ["P001"]


def test_the_arms_run_on_it_end_to_end(tmp_path):
    names = {f"Q{k:02}": "RVOT" if k % 2 else "LVOT" for k in range(12)}
    write_signals(tmp_path, names, samples=600)
    write_workbook(tmp_path / "Diagnosis.xlsx", [("FileName", "Origin"), *names.items()])
    found = pvc_origin.segment_set(pvc_origin.load(tmp_path), "outflow tract", 500.0, 160, (0.5, 40.0))
    full = load("segmenter")
    recipe = full.model_copy(
        update={
            "network": full.network.model_copy(update={"widths": (4, 4), "strides": (4, 2), "pool": 20}),
            "optimisation": full.optimisation.model_copy(update={"folds": 2, "epochs": 1, "batch": 4}),
        }
    )
    runs = segment_arms.run_arms(recipe, recipe.arms, found, segment_arms.folds_by_chance(found, recipe), tmp_path / "run", "cpu", None, False)
    rows = segment_arms.measured(runs, found.targets)
    assert [row.name for row in rows] == list(recipe.arms)
    assert all(len(row.runs) == 2 and 0 <= row.runs[0][0] <= 100 for row in rows)
