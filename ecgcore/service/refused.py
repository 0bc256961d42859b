"""How a request is refused: a status and one sentence that says what would be right."""

from collections.abc import Mapping

from ecgcore.errors import EcgError


class Refused(EcgError):  # noqa: N818  # it is raised for what is no fault of the service
    """A request that gets no answer; `headers` go out beside the sentence."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.headers = dict(headers or {})


def later(status: int, message: str, wait_s: float) -> Refused:
    """A refusal that may be tried again after so many seconds."""
    return Refused(status, message, {"Retry-After": str(max(1, round(wait_s + 0.5)))})
