"""What is kept between two visits: recordings byte for byte, and what was found in them."""

from ecgcore.readers.sources import Facts
from ecgcore.store.store import LOCAL_USER, Store, StoredAnalysis, StoredFile, StoredRecord

__all__ = ["LOCAL_USER", "Facts", "Store", "StoredAnalysis", "StoredFile", "StoredRecord"]
