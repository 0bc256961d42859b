"""What readers make of a recording: beats and marks, and every change of them with what was and what is.

A reading is one reader's copy of a record's beats and marks. It starts from the beats of an Analysis and changes by events;
its state is those beats with all changes applied. Nothing here knows where events are kept.
"""

from ecgcore.review.adjudication import Decide
from ecgcore.review.codec import change_from_json, change_to_json, sha256, state_from_json, state_to_json
from ecgcore.review.commands import Add, ChangeMark, Command, Delete, Move, PutMark, Relabel, RemoveMark, ReplaceBeats, command_from
from ecgcore.review.marks import FILE_AUTHOR, Change, Event, Item, Marks
from ecgcore.review.rebase import rebased
from ecgcore.review.rhythms import AcceptRhythm
from ecgcore.review.state import State

__all__ = [
    "FILE_AUTHOR",
    "AcceptRhythm",
    "Add",
    "Change",
    "ChangeMark",
    "Command",
    "Decide",
    "Delete",
    "Event",
    "Item",
    "Marks",
    "Move",
    "PutMark",
    "Relabel",
    "RemoveMark",
    "ReplaceBeats",
    "State",
    "change_from_json",
    "change_to_json",
    "command_from",
    "rebased",
    "sha256",
    "state_from_json",
    "state_to_json",
]
