"""A worker whose jobs are done by `child_app`: python tests/jobs/worker_app.py"""

import sys
from pathlib import Path

from ecgcore.jobs import worker

if __name__ == "__main__":
    worker.work(lambda text: print(text, flush=True), (sys.executable, str(Path(__file__).with_name("child_app.py"))))  # noqa: T201  # read where a test fails
