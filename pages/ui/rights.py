"""Who may see and change a reading. Knows nothing of Streamlit."""

from ecgcore.store.reviews import Reading
from pages.ui import access, desk


def reading(user: access.User, reading_id: str) -> Reading:
    """A reading that this user may see. Raises AccessError where it is another's and still blind to him, StoreError for an unknown one."""
    found = desk.reviews().get(reading_id)
    access.require(user, "read")
    if found.session_id is None or found.reader == user.name:
        return found
    session = desk.sessions().get(found.session_id)
    if not desk.sessions().may_see(session, user.name, found, adjudicates=access.may(user, "adjudicate") and user.name not in session.readers):
        raise access.AccessError("this reading is another reader's; it can be seen when every reader of the record has signed his own")
    return found


def changeable(user: access.User, reading_id: str) -> Reading:
    """A reading in which this user may have a hand. Raises AccessError with the reason; that a signed one is frozen is the store's to say."""
    found = reading(user, reading_id)
    if reason := why_not_his(user, found):
        raise access.AccessError(reason)
    return found


def why_not_accept(user: access.User) -> str:
    """Why this user may neither accept nor discard a reconstruction; empty where he may. They belong to the record, whatever reading is open."""
    return "" if access.may(user, "edit") else f"the role {user.role} may look but not edit"


def accepting(user: access.User) -> access.User:
    """The user, where he may accept and discard reconstructions. Raises AccessError."""
    access.require(user, "edit")
    return user


def why_not_editable(user: access.User, found: Reading) -> str:
    """Why this user may not change a reading that he may see; empty where he may."""
    if not (reason := why_not_his(user, found)) and found.signed is not None:
        return f"signed off as version {found.signed.version} by {found.signed.who}; amend it to go on"
    return reason


def why_not_his(user: access.User, found: Reading) -> str:
    """Why this user has no hand in a reading that he may see, signed or not; empty where he has."""
    if not access.may(user, "edit"):
        return f"the role {user.role} may look but not edit"
    if found.kind == "adjudication" and not access.may(user, "adjudicate"):
        return f"the role {user.role} may not adjudicate"
    if found.kind == "session" and found.reader != user.name:
        return f"this is the reading of {found.reader}"
    return ""
