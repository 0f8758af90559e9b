"""Signing in and out."""

from typing import Annotated

from fastapi import APIRouter, Depends, Response

from alledge.page.gate import Refusal
from alledge.page.people import PROBLEMS, Person, sessions_of
from alledge.page.sessions import COOKIE, SESSION_S, Sessions
from alledge.page.shapes import SessionOut, SignIn
from alledge.review.desk import check_name

router = APIRouter(prefix="/api/session", tags=["session"], responses=PROBLEMS)
Guest = Annotated[Sessions, Depends(sessions_of)]


@router.post("")
def sign_in(asked: SignIn, sessions: Guest, response: Response) -> SessionOut:
    """Begin a session by a name, and on the network by a token."""
    name = check_name(asked.name)
    role = sessions.role_for(asked.token)
    if role is None:
        raise Refusal(401, "token-wrong", "That token is not known.", "Scan the code on the console again.")
    session = sessions.begin(name, role)
    response.set_cookie(COOKIE, session.cookie, max_age=SESSION_S, path="/", httponly=True, samesite="strict")
    return SessionOut(name=name, role=role.value, csrf=sessions.csrf(session))


@router.get("")
def who_am_i(person: Person, sessions: Guest) -> SessionOut:
    """Who is signed in."""
    return SessionOut(name=person.who, role=person.role.value, csrf=sessions.csrf(person))


@router.delete("", status_code=204)
def sign_out(_: Person, response: Response) -> None:
    """End the session at this browser."""
    response.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")
