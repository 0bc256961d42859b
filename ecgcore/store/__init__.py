"""What is kept between two visits: recordings byte for byte, what was found in them, and what readers made of it."""

from ecgcore.readers.sources import Facts
from ecgcore.store.reconstructions import Reconstructions
from ecgcore.store.reviews import Reading, Reviews, SignOff
from ecgcore.store.sessions import Session, Sessions
from ecgcore.store.store import LOCAL_USER, Store, StoredAnalysis, StoredFile, StoredRecord

__all__ = ["LOCAL_USER", "Facts", "Reading", "Reconstructions", "Reviews", "Session", "Sessions", "SignOff", "Store", "StoredAnalysis", "StoredFile", "StoredRecord"]
