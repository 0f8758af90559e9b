"""What an endpoint may ask of a request: the workroom, the person, and that the person may do this."""

from typing import Annotated, Any, Final, cast

from fastapi import Depends, Request

from alledge.page.gate import Refusal
from alledge.page.sessions import Session, Sessions
from alledge.page.shapes import Problem
from alledge.page.workroom import Workroom

PROBLEMS: Final[dict[int | str, dict[str, Any]]] = {
    status: {"model": Problem, "content": {"application/problem+json": {}}}
    for status in (400, 401, 403, 404, 408, 409, 413, 414, 415, 421, 422, 500, 503)
}
"""Answers that any address may give instead; for OpenAPI."""

PROBLEM_PAGES: Final[dict[int | str, dict[str, Any]]] = {
    status: {**told, "content": {**told["content"], "text/html": {}}} for status, told in PROBLEMS.items()
} | {303: {"description": "Nobody is signed in; to the entrance."}}
"""The same where a person looks: a problem is told as a page."""


def workroom_of(request: Request) -> Workroom:
    """What all requests share."""
    return cast("Workroom", request.app.state.workroom)


def sessions_of(request: Request) -> Sessions:
    """Who made the session cookies."""
    return cast("Sessions", request.app.state.sessions)


def session_of(request: Request) -> Session | None:
    """The person, None where nobody signed in; the gate has read the cookie."""
    return cast("Session | None", request.scope["state"]["session"])


def person_of(request: Request) -> Session:
    """The person. Raises Refusal where nobody signed in."""
    session = session_of(request)
    if session is None:
        raise Refusal(401, "not-signed-in", "Nobody is signed in.", "Give your name at /enter.")
    return session


def reviewer_of(request: Request) -> Session:
    """The person, who may review. Raises Refusal for an operator."""
    person = person_of(request)
    if not person.may_review:
        raise Refusal(
            403, "not-a-reviewer", "An operator does not review.", "Sign in with the reviewer's token."
        )
    return person


Room = Annotated[Workroom, Depends(workroom_of)]
Person = Annotated[Session, Depends(person_of)]
Reviewer = Annotated[Session, Depends(reviewer_of)]
