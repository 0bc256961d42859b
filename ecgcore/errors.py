"""What can go wrong, and at whose door it lies.

EcgError
├── InputError            the file or argument handed in is at fault
│   ├── FormatError         not a recording, or a broken one
│   ├── UnsafeFileError     a file that reaches outside itself or unpacks to more than it may
│   ├── LeadError           a lead that the record does not have
│   └── MissingFactError    a fact the file does not state; the user must (`.facts` names them)
├── ModelError            weights or a card that do not fit
├── DataError             a data set that is not there or not what it should be
├── ClusterError          processes that were to share the work are not there, or fail
└── StoreError            a stored thing that is not there or may not change

Every message is one line that quotes the offending value and says what would be right.
"""


class EcgError(Exception):
    """Root of all errors that Leadwise raises on purpose."""


class InputError(EcgError):
    """The file or argument handed in is at fault."""


class FormatError(InputError):
    """The bytes are no recording, or a broken one."""


class UnsafeFileError(InputError):
    """The file names another outside its folder, or unpacks to more than it may."""


class LeadError(InputError):
    """A lead was asked for that the record does not have."""


class MissingFactError(InputError):
    """The file leaves out a fact that must not be guessed.

    `facts` names what is missing: any of "fs_hz", "units", "leads".
    """

    def __init__(self, message: str, facts: tuple[str, ...]) -> None:
        super().__init__(message)
        self.facts = facts


class ModelError(EcgError):
    """Weights or a model card that do not fit."""


class DataError(EcgError):
    """A data set that is not there, or not what it should be."""


class ClusterError(EcgError):
    """The processes that were to share the work are not there, or cannot do it."""


class StoreError(EcgError):
    """A stored thing that is not there, or may not be changed."""
