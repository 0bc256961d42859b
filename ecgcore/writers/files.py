"""Files that appear whole or not at all."""

import os
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from ecgcore.errors import InputError


@contextmanager
def whole(targets: Sequence[Path]) -> Iterator[tuple[Path, ...]]:
    """Temporary paths beside the targets; on success each becomes its target, on failure all vanish.

    The last target is put in place last, so that a header never stands without its signals. Raises InputError when the
    folder cannot be written to.
    """
    temporary = tuple(target.with_name(f".{uuid.uuid4().hex}.part") for target in targets)
    try:
        targets[0].parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        for made, target in zip(temporary, targets, strict=True):
            os.replace(made, target)  # noqa: PTH105  # replaces on Windows too
    except OSError as error:
        raise InputError(f"cannot write {targets[-1]}: {error.strerror}") from error
    finally:
        for path in temporary:
            with suppress(OSError):  # a folder that is none has nothing to clear
                path.unlink()
