"""Who a request comes from: a signed cookie with a name, a role and an end, and nothing kept on the server.

The cookie is HttpOnly and SameSite=Strict, so no script reads it and no other site sends it. A change needs
a second proof as well: a header with a value that follows from the cookie and that only our own pages hold.
"""

import base64
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from alledge.page.keys import Keys

COOKIE: Final = "allscope"
CSRF_HEADER: Final = "x-allscope-csrf"
SIGN_IN: Final = "sign-in"
"""Value of CSRF_HEADER where there is no session yet: that another site cannot send a header is the point."""

SESSION_S: Final = 12 * 3600
"""A long shift."""

_LONGEST_COOKIE: Final = 1000


class Role(StrEnum):
    """What a person may do. A reviewer may do all that an operator may."""

    OPERATOR = "operator"
    REVIEWER = "reviewer"


@dataclass(frozen=True, slots=True)
class Session:
    """A person at the page. until_s: end of the session by the wall clock. cookie: as browsers hold it."""

    who: str
    role: Role
    until_s: int
    cookie: str

    @property
    def may_review(self) -> bool:
        """Whether this person may review, sign and make reports."""
        return self.role is Role.REVIEWER


class Sessions:
    """Makes and reads session cookies. wall_s: where seconds come from; tests put their own."""

    def __init__(self, keys: Keys, *, asks_for_token: bool, wall_s: Callable[[], float] = time.time) -> None:
        self._keys = keys
        self._signing = keys.signing.encode()
        self.asks_for_token = asks_for_token
        self._wall_s = wall_s

    def role_for(self, token: str) -> Role | None:
        """The role that a token stands for; without tokens everybody at this machine may review."""
        if not self.asks_for_token:
            return Role.REVIEWER
        given = token.encode()
        matches = [
            (Role.OPERATOR, hmac.compare_digest(given, self._keys.operator.encode())),
            (Role.REVIEWER, hmac.compare_digest(given, self._keys.reviewer.encode())),
        ]
        return next((role for role, fits in matches if fits), None)

    def begin(self, who: str, role: Role) -> Session:
        """A new session for a person."""
        until_s = int(self._wall_s()) + SESSION_S
        told = json.dumps([who, role.value, until_s, secrets.token_hex(8)]).encode()
        body = base64.urlsafe_b64encode(told).decode().rstrip("=")
        return Session(who, role, until_s, f"{body}.{self._mac('session', body)}")

    def read(self, cookie: str) -> Session | None:
        """The session of a cookie; None for one that was altered, that ended, or that is none."""
        body, dot, mac = cookie.partition(".")
        if not dot or len(cookie) > _LONGEST_COOKIE or not cookie.isascii():
            return None
        if not hmac.compare_digest(mac.encode(), self._mac("session", body).encode()):
            return None
        who, role, until_s, _ = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
        if self._wall_s() > until_s:
            return None
        return Session(who, Role(role), until_s, cookie)

    def csrf(self, session: Session) -> str:
        """The value that a change must bring in CSRF_HEADER."""
        return self._mac("csrf", session.cookie)

    def is_genuine(self, session: Session | None, header: str) -> bool:
        """Whether a change was asked for by one of our own pages."""
        expected = SIGN_IN if session is None else self.csrf(session)
        return hmac.compare_digest(header.encode(), expected.encode())

    def _mac(self, purpose: str, text: str) -> str:
        return hmac.new(self._signing, f"{purpose} {text}".encode(), hashlib.sha256).hexdigest()
