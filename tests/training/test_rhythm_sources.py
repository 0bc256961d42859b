"""Loaders of the public sources, on files made in each layout and on the real ones: signals, labels, patients and fifths."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from ecgcore import data, writers
from ecgcore.demo import record_of, synthesise
from ecgcore.errors import DataError
from ecgcore.leads import STANDARD
from ecgcore.record import Annotation
from ecgcore.training import chapman_records, rhythm_sources, sph_records
from ecgcore.training.rhythm_sources import FIFTHS, fifth, load_all, part_of, rate_bpm

ROWS = [("MUSE_20180113_171327_27000", "AFIB"), ("MUSE_20180112_073319_29000", "SB"), ("MUSE_20180111_165520_97000", "AVNRT"), ("MUSE_20180113_121940_44000", "AF")]


def signals(seed, seconds=10, leads=STANDARD, fs_hz=500, rr_s=0.8):
    """Leads (n_leads, n) in mV, with the beats that are in them."""
    beats = [(0.4 + rr_s * k, "N") for k in range(int((seconds - 0.5) / rr_s))]
    return synthesise(beats, seconds, leads, fs_hz, seed=seed), beats


def write_table(folder):
    pd.DataFrame([(*row, 60) for row in ROWS], columns=["FileName", "Rhythm", "VentricularRate"]).to_excel(folder / "Diagnostics.xlsx", index=False)


def write_wfdb(path, *, diagnoses="", leads=STANDARD, fs_hz=500, rr_s=0.8, seconds=10, seed=0, annotations=()):
    mv, beats = signals(seed, seconds, leads, fs_hz, rr_s)
    record = record_of(path.stem, mv, beats, leads, fs_hz, comments=("Age: 60", f"Dx: {diagnoses}") if diagnoses else ())
    writers.write(replace(record, annotations=annotations or record.annotations), path.with_suffix(".hea"))


def sets(found):
    return {one.name: " ".join(sorted(one.allowed)) for one in found}


@pytest.fixture(params=["plain", "named", "mat", "raw"])
def chapman(request, tmp_path):
    """Three of the four patients of the workbook, in each layout of figshare."""
    from scipy.io import savemat

    folder = tmp_path / {"plain": "ECGDataDenoised", "named": "ECGDataDenoised", "mat": "ECGDataDenoisedMat", "raw": "ECGData"}[request.param]
    folder.mkdir()
    for seed, (name, _) in enumerate(ROWS[:3]):
        microvolts = 1000 * signals(seed)[0].T
        if request.param == "mat":
            savemat(folder / f"{name}.mat", {"val": microvolts})
        else:
            header = ",".join(name.upper() for name in STANDARD) if request.param in ("named", "raw") else ""
            np.savetxt(folder / f"{name}.csv", microvolts, "%.4f", ",", header=header, comments="")
    write_table(tmp_path)
    return tmp_path


def test_chapman_is_read_in_each_layout_of_figshare(chapman):
    found = list(rhythm_sources.load_chapman(chapman))
    assert [(one.source, one.name, one.patient, " ".join(one.allowed)) for one in found] == [
        ("chapman", ROWS[0][0], "chapman:JS00001", "AFIB"),
        ("chapman", ROWS[1][0], "chapman:JS00002", "SB"),
        ("chapman", ROWS[2][0], "chapman:JS00003", ""),
    ]
    for seed, one in enumerate(found):
        assert (one.record.leads, one.record.fs_hz, one.start_s, one.stop_s) == (STANDARD, 500.0, 0.0, 10.0)
        np.testing.assert_allclose(one.mv(), signals(seed)[0], atol=0.00051)
    assert [one.teaches for one in found] == [True, True, False]


def test_leads_of_chapman_stand_where_the_header_says(tmp_path):
    shuffled = [STANDARD[(i + 5) % 12] for i in range(12)]
    mv = signals(0)[0]
    np.savetxt(tmp_path / "a.csv", 1000 * mv[[STANDARD.index(lead) for lead in shuffled]].T, "%.3f", ",", header=",".join(shuffled), comments="")
    record = chapman_records.record_of(tmp_path / "a.csv")
    np.testing.assert_allclose(record.mv(STANDARD), mv, atol=0.00051)


def test_a_missing_sample_of_chapman_stays_missing(tmp_path):
    microvolts = 1000 * signals(0)[0].T
    microvolts[100:200, 3] = np.nan
    np.savetxt(tmp_path / "a.csv", microvolts, "%.3f", ",")
    mv = chapman_records.record_of(tmp_path / "a.csv").mv()
    assert np.isnan(mv[3, 100:200]).all()
    assert np.isnan(mv).sum() == 100


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda folder: (folder / "Diagnostics.xlsx").unlink(), "no Diagnostics.xlsx"),
        (lambda folder: [path.unlink() for path in folder.glob("*/*.csv")], "with files in ECGDataDenoised"),
        (lambda folder: (folder / "ECGDataDenoised" / "MUSE_1.csv").write_text("1,2\n"), "has no row for MUSE_1"),
        (lambda folder: (folder / "ECGDataDenoised" / f"{ROWS[0][0]}.csv").write_text("1,2\n3,4\n"), r"by 12 leads, it holds \(2, 2\)"),
        (lambda folder: (folder / "ECGDataDenoised" / f"{ROWS[0][0]}.csv").write_text("1,2\n3\n"), "is no table of twelve columns"),
        (lambda folder: (folder / "ECGDataDenoised" / f"{ROWS[0][0]}.csv").write_text(",".join(["40000"] * 12) + "\n" + ",".join(["0"] * 12)), "reaches 40000 µV"),
    ],
)
def test_a_folder_that_does_not_hold_chapman_is_an_error(tmp_path, spoil, said):
    (tmp_path / "ECGDataDenoised").mkdir()
    np.savetxt(tmp_path / "ECGDataDenoised" / f"{ROWS[0][0]}.csv", 1000 * signals(0)[0].T, "%.3f", ",")
    write_table(tmp_path)
    spoil(tmp_path)
    with pytest.raises(DataError, match=said):
        list(chapman_records.load(tmp_path))


def test_a_file_that_is_no_mat_file_of_the_set_is_an_error(tmp_path):
    from scipy.io import savemat

    (tmp_path / "a.mat").write_bytes(b"no MATLAB file, whatever it is called" * 10)
    with pytest.raises(DataError, match=r"a\.mat is no MATLAB file"):
        chapman_records.record_of(tmp_path / "a.mat")
    savemat(tmp_path / "a.mat", {"ecg": np.zeros((5, 12))})
    with pytest.raises(DataError, match="holds nothing"):
        chapman_records.record_of(tmp_path / "a.mat")


def write_mat_record(path, diagnoses):
    """A record as the challenges publish them: a MATLAB 4 file read as format 16 from byte 24 on."""
    mv, _ = signals(0)
    steps = np.round(1000 * mv).astype("<i2")
    path.with_suffix(".mat").write_bytes(np.array([30, 12, steps.shape[1], 0, 4], "<i4").tobytes() + b"val\0" + steps.T.tobytes())
    lines = [
        f"{path.stem} 12 500 {steps.shape[1]}",
        *(f"{path.stem}.mat 16+24 1000/mV 16 0 {row[0]} {(int(row.sum()) + 2**15) % 2**16 - 2**15} 0 {lead}" for lead, row in zip(STANDARD, steps, strict=True)),
    ]
    path.with_suffix(".hea").write_text("\n".join([*lines, "#Age: 60", "#Sex: Male", f"#Dx: {diagnoses}", "#Rx: Unknown"]) + "\n")


def test_the_wfdb_form_of_chapman_has_the_same_patients_in_the_same_fifths(tmp_path):
    for name, diagnoses in {"JS00001": "164889003,59118001", "JS00004": "164890007", "JS10647": "164890007"}.items():
        folder = tmp_path / "WFDBRecords" / name[2:4] / f"{name[2:4]}0"
        folder.mkdir(parents=True, exist_ok=True)
        write_mat_record(folder / name, diagnoses)
    found = list(rhythm_sources.load_chapman(tmp_path))
    assert [(one.source, one.patient, " ".join(sorted(one.allowed))) for one in found] == [
        ("chapman", "chapman:JS00001", "AFIB"),
        ("chapman", "chapman:JS00004", "AF"),
        ("ningbo", "ningbo:JS10647", "AF AFIB"),
    ]
    assert [one.fold for one in found] == [fifth(one.patient) for one in found]
    np.testing.assert_allclose(found[0].mv(), signals(0)[0], atol=0.00051)


def test_the_challenges_are_read_from_nested_folders_each_part_by_its_own_table(tmp_path):
    for place, name, diagnoses, rr_s in [
        ("cpsc_2018/g1", "A0001", "426783006", 1.2),
        ("georgia/g1", "E00001", "426783006", 1.2),
        ("georgia/g2", "E01001", "164889003,164890007", 0.5),
        ("ptb/g1", "S0001", "426783006", 0.5),
        ("ptb-xl/g1", "HR00001", "426783006", 0.8),
        ("st_petersburg_incart/g1", "I0001", "426783006", 0.8),
    ]:
        (tmp_path / place).mkdir(parents=True, exist_ok=True)
        write_wfdb(tmp_path / place / name, diagnoses=diagnoses, rr_s=rr_s)
    everything = {"A0001": "SA SB", "E00001": "SR", "E01001": "AF AFIB", "S0001": "ST", "HR00001": "SR", "I0001": ""}
    assert sets(rhythm_sources.load_challenge(tmp_path)) == everything
    assert sets(rhythm_sources.load_challenge(tmp_path, without=("ptbxl",))) == {name: said for name, said in everything.items() if name != "HR00001"}


@pytest.mark.parametrize(
    ("name", "source"),
    [("A0001", "cpsc"), ("Q0001", "cpsc-extra"), ("I0001", "incart"), ("S0001", "ptb"), ("HR00001", "ptbxl"), ("E00001", "georgia"), ("JS10646", "chapman"), ("JS10647", "ningbo")],
)
def test_the_part_of_the_challenge_is_in_the_name(name, source):
    assert part_of(name) == source


def test_other_files_are_not_taken_for_records_of_the_challenges(tmp_path):
    with pytest.raises(DataError, match="'X0001' is no record"):
        part_of("X0001")
    with pytest.raises(DataError, match="no header"):
        list(rhythm_sources.load_chapman(tmp_path))
    write_wfdb(tmp_path / "E00001")
    with pytest.raises(DataError, match="no line Dx"):
        list(rhythm_sources.load_challenge(tmp_path))


def write_h5(path, mv):
    import h5py

    with h5py.File(path, "w") as file:
        file["ecg"] = mv.astype(np.float16)


def test_the_shandong_set_is_read_by_its_patients(tmp_path):
    mv = signals(0)[0]
    write_h5(tmp_path / "A1.h5", mv)
    write_h5(tmp_path / "A2.h5", mv)
    (tmp_path / "metadata.csv").write_text('ECG_ID,Patient_ID,SNOMEDCTCode\nA1.h5,S7,"426177001,427393009"\nA2.h5,S7,59118001\n')
    found = list(rhythm_sources.load_challenge(tmp_path))
    assert sets(found) == {"A1": "SA SB", "A2": ""}
    assert {(one.source, one.patient, one.fold) for one in found} == {("sph", "sph:S7", fifth("sph:S7"))}
    np.testing.assert_allclose(found[0].mv(), mv, atol=0.002)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda folder: (folder / "metadata.csv").write_text("ECG_ID,Patient\nA1.h5,S7\n"), "no column Patient_ID, SNOMEDCTCode"),
        (lambda folder: (folder / "A1.h5").write_bytes(b"no HDF5"), "is no recording of the Shandong set"),
        (lambda folder: (folder / "A1.h5").unlink(), "is no recording of the Shandong set"),
        (lambda folder: write_h5(folder / "A1.h5", np.zeros((2, 100))), r"should hold 12 leads in mV, it holds \(2, 100\)"),
    ],
)
def test_a_folder_that_does_not_hold_the_shandong_set_is_an_error(tmp_path, spoil, said):
    write_h5(tmp_path / "A1.h5", signals(0)[0])
    (tmp_path / "metadata.csv").write_text("ECG_ID,Patient_ID,SNOMEDCTCode\nA1.h5,S7,426783006\n")
    spoil(tmp_path)
    with pytest.raises(DataError, match=said):
        list(sph_records.load(tmp_path))


@pytest.mark.parametrize("below", ["", "training/A00"])
def test_the_2017_challenge_keeps_its_labels_and_is_narrowed_by_rate(tmp_path, below):
    (tmp_path / below).mkdir(parents=True, exist_ok=True)
    labels = {"A00001": ("N", 1.2), "A00002": ("N", 0.8), "A00003": ("N", 0.5), "A00004": ("A", 0.5), "A00005": ("O", 0.8), "A00006": ("~", 0.8)}
    for name, (_, rr_s) in labels.items():
        write_wfdb(tmp_path / below / name, leads=("I",), fs_hz=300, rr_s=rr_s)
    (tmp_path / "REFERENCE-v3.csv").write_text("".join(f"{name},{label}\n" for name, (label, _) in labels.items()))
    found = list(rhythm_sources.load_cinc2017(tmp_path))
    assert sets(found) == {"A00001": "SA SB", "A00002": "SA SR", "A00003": "ST", "A00004": "AFIB", "A00005": "", "A00006": ""}
    assert [one.challenge for one in found] == ["N", "N", "N", "A", "O", "~"]
    assert all(one.teaches for one in found)


def test_a_recording_that_the_labels_name_must_be_there(tmp_path):
    (tmp_path / "REFERENCE-v3.csv").write_text("A00001,N\n")
    with pytest.raises(DataError, match=r"no A00001\.hea"):
        list(rhythm_sources.load_cinc2017(tmp_path))


def test_ludb_leaves_out_the_paced(tmp_path):
    (tmp_path / "data").mkdir()
    for name in "123":
        write_wfdb(tmp_path / "data" / name)
    (tmp_path / "ludb.csv").write_text('ID,Rhythms,Cardiac pacing\n1,Sinus rhythm,\n2,"Atrial fibrillation\nAberrant conduction",\n3,Sinus rhythm,P-synchrony\n')
    assert sets(rhythm_sources.load_ludb(tmp_path)) == {"1": "SR", "2": "AFIB", "3": ""}
    (tmp_path / "ludb.csv").unlink()
    with pytest.raises(DataError, match=r"no ludb\.csv"):
        list(rhythm_sources.load_ludb(tmp_path))


def test_ptbxl_is_split_by_its_official_folds_two_by_two(tmp_path):
    (tmp_path / "records500").mkdir()
    lines = ["ecg_id,patient_id,scp_codes,strat_fold,filename_hr"]
    for fold in range(1, 11):
        write_wfdb(tmp_path / "records500" / f"{fold:05}_hr")
        lines.append(f"{fold},{100 + fold}.0,\"{{'NORM': 100.0, 'SBRAD': 0.0}}\",{fold},records500/{fold:05}_hr")
    (tmp_path / "ptbxl_database.csv").write_text("\n".join(lines))
    found = list(rhythm_sources.load_ptbxl(tmp_path))
    assert [one.fold for one in found] == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    assert (found[0].patient, found[0].allowed) == ("ptbxl:101", {"SB"})


def write_spans(folder, name, spans, seconds):
    """Two leads at 360 Hz with a beat every second, and rhythms that begin at these seconds."""
    marks = sorted([(0.4 + k, "N", "") for k in range(seconds)] + [(start, "+", label) for label, start in spans])
    samples, symbols, notes = zip(*marks, strict=True)
    beats = Annotation.of("atr", np.round(np.array(samples) * 360).astype(np.int64), symbols)
    write_wfdb(folder / name, leads=("II", "V1"), fs_hz=360, seconds=seconds, rr_s=1.0, annotations=(replace(beats, notes=notes),))


def test_windows_of_mitdb_lie_within_one_rhythm(tmp_path):
    write_spans(tmp_path, "201", [("(N", 0.1), ("(AFIB", 25.0), ("(B", 47.0), ("(N", 58.5)], 70)
    write_spans(tmp_path, "202", [("(AFL", 0.1)], 30)
    found = list(rhythm_sources.load_mitdb(tmp_path, ["201", "202"]))
    assert [(one.start_s, one.stop_s, " ".join(sorted(one.allowed))) for one in found if one.name.startswith("201")] == [
        (pytest.approx(start, abs=0.01), pytest.approx(start + 10, abs=0.01), said)
        for start, said in [(0.1, "SA SR"), (10.1, "SA SR"), (25, "AFIB"), (35, "AFIB"), (47, ""), (58.5, "SA SR")]
    ]
    assert [one.allowed for one in found if one.name.startswith("202")] == [{"AF"}, {"AF"}]
    assert {(one.patient, one.fold) for one in found} == {("mitdb:201", fifth("mitdb:201"))}
    assert found[2].mv().shape == (2, 3600)
    np.testing.assert_array_equal(found[2].mv(["V1"])[0], found[2].record.mv(["V1"], 9000, 12600)[0])


def test_the_fifth_of_a_patient_is_the_same_everywhere():
    assert [fifth(f"mitdb:{name}") for name in ("101", "106", "201")] == [0, 1, 2]
    counts = Counter(fifth(f"cinc2017:A{k:05}") for k in range(8_528))
    assert set(counts) == set(range(FIFTHS))
    assert max(counts.values()) - min(counts.values()) < 150


def test_a_set_without_rhythms_is_refused(monkeypatch, tmp_path):
    monkeypatch.setenv("LEADWISE_DATA", str(tmp_path))
    with pytest.raises(DataError, match="no rhythms can be learned from 'svdb'"):
        list(load_all(["svdb"]))
    with pytest.raises(DataError, match="no data set 'ludb'"):
        list(load_all(["ludb"]))


# Recordings of the real sets by what their labels allow; mitdb's DS1 in windows of 10 s.
COUNTS = {
    "chapman-samples": {"chapman": {"AF": 1, "AFIB": 11, "SA": 2, "SB": 8, "SR": 5, "ST": 7, "SVT": 1}},
    "ptbxl": {"ptbxl": {"": 37, "AF": 5, "AF AFIB": 1, "AFIB": 12, "SA": 25, "SA SB": 1, "SB": 8, "SR": 406, "ST": 5}},
    "cinc2021-samples": {
        "cpsc": {"": 5, "AFIB": 4, "SA SR": 1},
        "cpsc-extra": {"": 9, "ST": 1},
        "georgia": {"": 7, "AF AFIB": 1, "AFIB": 1, "SB": 5, "SR": 8, "ST": 8},
        "chapman": {"AF": 1, "AFIB": 2, "SB": 6, "SR": 1},
        "ningbo": {"": 13, "SA": 1, "SB": 2, "ST": 14},
        "ptb": {"": 7, "SA": 1, "SA SR": 2},
        "ptbxl": {"SA": 1, "SB": 2, "SR": 16, "ST": 1},
        "sph": {"": 1, "SA": 1, "SA SB": 1, "SR": 6},
    },
    "ludb": {"ludb": {"": 13, "AF": 3, "AFIB": 12, "SA": 9, "SB": 24, "SR": 135, "ST": 4}},
    "mitdb": {"mitdb": {"": 215, "AF": 31, "AFIB": 195, "AT SVT": 10, "SA SB": 533, "SA SR": 2410, "ST": 324}},
}


@pytest.mark.data
@pytest.mark.parametrize("name", COUNTS)
def test_the_real_sets_allow_what_was_counted(data_set, name):
    data_set(name)
    counts = {source: Counter() for source in COUNTS[name]}
    for one in load_all([name]):
        counts[one.source][" ".join(sorted(one.allowed))] += 1
    assert {source: dict(found) for source, found in counts.items()} == COUNTS[name]


@pytest.mark.data
def test_the_2017_challenge_has_its_published_counts(data_set):
    """Without measuring the rate of 5,076 recordings: labels, names and patients."""
    folder = data_set("cinc2017")
    labels = data.rhythm_labels(folder)
    assert Counter(labels.values()) == {"N": 5_076, "A": 758, "O": 2_415, "~": 279}
    assert set(labels) == {path.stem for path in folder.glob("*.hea")}


@pytest.mark.data
def test_no_patient_is_in_two_fifths_and_a_patient_in_two_sets_is_one(data_set):
    names = ("chapman-samples", "ptbxl", "cinc2021-samples", "ludb")
    for name in names:
        data_set(name)
    folds, places = {}, {}
    for one in load_all(names):
        folds.setdefault(one.patient, set()).add(one.fold)
        places.setdefault(one.patient, []).append(one)
    assert all(len(found) == 1 for found in folds.values())
    assert {one.source for found in places.values() for one in found if one.name.startswith("HR")} == set()
    assert len([one for found in places.values() for one in found if one.source == "ptbxl"]) == 500
    assert len([patient for patient in places if patient.startswith("ptbxl:")]) == 466
    # one recording of the 35 is among the challenge's too, called by the row of the workbook
    denoised, raw = places["chapman:JS00008"]
    assert (denoised.name, raw.name) == ("MUSE_20180209_172046_21000", "JS00008")
    assert np.corrcoef(denoised.mv(["II"])[0][500:4500], raw.mv(["II"])[0][500:4500])[0, 1] > 0.9


@pytest.mark.data
def test_the_rate_is_that_of_the_workbook(data_set):
    folder = data_set("chapman-samples")
    table = pd.read_excel(folder / "Diagnostics.xlsx").set_index("FileName")["VentricularRate"]
    apart = {one.name: abs(rate_bpm(one.record) - table[one.name]) for one in rhythm_sources.load_chapman(folder) if "AFIB" not in one.allowed}
    assert len(apart) == 24
    assert max(apart.values()) < 5
