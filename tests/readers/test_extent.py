import pytest

from ecgcore import readers
from ecgcore.errors import UnsafeFileError
from ecgcore.readers.channels import check_extent
from ecgcore.readers.extent import at_most, check_samples, check_unpacked

GAP = {"x.hea": b"x/2 1 250 1001000\ny 1000\n~ 1000000\n", "y.hea": b"y 1 250 1000\ny.dat 16 200 16 0 0 0 0 II\n", "y.dat": b"\1\0" * 1000}


def test_any_number_is_read_unless_somebody_says_otherwise():
    check_samples(1 << 40, "x")
    check_unpacked(1 << 40, "x")
    assert readers.read(GAP).n_samples == 1_001_000


def test_a_gap_that_makes_a_record_too_large_is_refused_before_room_is_made():
    with pytest.raises(UnsafeFileError, match="record x comes to 1,001,000 samples, all leads together; at most 1,000,000 are read here"):
        readers.read(GAP, most_samples=1_000_000)
    assert readers.read(GAP, most_samples=1_001_000).n_samples == 1_001_000


def test_what_was_said_ends_with_it():
    with at_most(5):
        with at_most(None):
            check_extent(6, 6, "x")
        with pytest.raises(UnsafeFileError, match="at most 5"):
            check_extent(6, 6, "x")
        with pytest.raises(UnsafeFileError, match="at most 40"):
            check_unpacked(41, "x.zip")
    check_extent(6, 6, "x")
