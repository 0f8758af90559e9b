"""Who may come in, by which name the page may be called, and what a forged request meets."""

import stat
from pathlib import Path

import httpx
import pytest

from alledge.page.gate import MOST_BODY_BYTES, SECURITY_HEADERS
from alledge.page.keys import KEYS_FILE, KeysUnusable, fresh_keys, load_keys
from alledge.page.server import introduction
from alledge.page.sessions import CSRF_HEADER, SESSION_S, SIGN_IN, Role, Sessions
from alledge.page.settings import PageSettings
from tests.edge.page.bench import Bench
from tests.edge.page.made import browser
from tests.edge.review.made import begin_slide

WORDS = {"cells": [{"field": 3, "position": 0, "seen": None}], "label": "blast"}


def test_keys_are_made_once_and_only_their_owner_reads_them(tmp_path: Path) -> None:
    keys = load_keys(tmp_path)
    assert stat.S_IMODE((tmp_path / KEYS_FILE).stat().st_mode) == 0o600
    assert load_keys(tmp_path) == keys
    assert len({keys.operator, keys.reviewer, keys.signing}) == 3


@pytest.mark.parametrize("spoil", ["mode", "text", "short"])
def test_keys_that_others_may_read_or_that_are_none_are_refused(tmp_path: Path, spoil: str) -> None:
    load_keys(tmp_path)
    file = tmp_path / KEYS_FILE
    if spoil == "mode":
        file.chmod(0o640)
    else:
        file.write_text("{}" if spoil == "text" else '{"operator": "a", "reviewer": "b", "signing": "c"}')
    with pytest.raises(KeysUnusable):
        load_keys(tmp_path)


def test_the_console_shows_both_ways_in_with_tokens_where_no_server_sees_them(tmp_path: Path) -> None:
    keys = fresh_keys()
    lines = introduction(PageSettings(tmp_path, tmp_path, host="192.0.2.7"), keys)
    assert any(f"http://192.0.2.7:8311/enter#token={keys.operator}" in line for line in lines)
    assert any("\N{LOWER HALF BLOCK}" in line or "\N{FULL BLOCK}" in line for line in lines)
    told = "\n".join(introduction(PageSettings(tmp_path, tmp_path, host="192.0.2.7"), None))
    assert "--show-keys" in told
    assert keys.operator not in told
    assert introduction(PageSettings(tmp_path, tmp_path), keys) == ["http://127.0.0.1:8311/"]


def test_a_cookie_that_was_altered_or_that_is_too_old_is_none() -> None:
    now = [1000.0]
    sessions = Sessions(fresh_keys(), asks_for_token=False, wall_s=lambda: now[0])
    session = sessions.begin("Ada", Role.OPERATOR)
    assert sessions.read(session.cookie) == session
    body, _, mac = session.cookie.partition(".")
    for altered in (body + "A." + mac, body + "." + mac[::-1], body, "", "." + mac, "é." + mac):
        assert sessions.read(altered) is None
    now[0] += SESSION_S + 1
    assert sessions.read(session.cookie) is None


@pytest.mark.parametrize("path", ["/", "/slides", "/slides/2", "/slides/2/sign-off", "/slides/2/report.pdf"])
def test_without_a_session_pages_lead_to_the_entrance(still: Bench, path: str) -> None:
    answer = httpx.get(still.browser.address + path)
    assert (answer.status_code, answer.headers["location"]) == (303, "/enter")


@pytest.mark.parametrize("path", ["/api/slides", "/api/status", "/api/slides/2/cells", "/live/stream"])
def test_without_a_session_programs_get_401(still: Bench, path: str) -> None:
    assert httpx.get(still.browser.address + path).status_code == 401


def test_on_the_network_a_token_is_needed_and_an_operators_does_not_review(tmp_path: Path) -> None:
    journal, _, slide = begin_slide(tmp_path)
    with browser(tmp_path, host="0.0.0.0") as asked:
        assert asked.enter(token="").status_code == 401
        assert asked.enter(token=asked.keys.signing).status_code == 401
        assert asked.enter(token=asked.keys.operator).json()["role"] == "operator"
        assert asked.get(f"/api/slides/{slide}").status_code == 200
        for path in ("undo", "words", "sign-off", "amendments"):
            answer = asked.post(f"/api/slides/{slide}/{path}", WORDS if path == "words" else {})
            assert (answer.status_code, answer.json()["code"]) in (
                (403, "not-a-reviewer"),
                (422, "malformed"),
            )
        head = journal.head()
        assert asked.post(f"/api/slides/{slide}/words", WORDS).status_code == 403
        assert journal.head() == head
        asked.enter(token=asked.keys.reviewer)
        assert asked.say(slide, [0], "normal").status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8311", "127.0.0.1.evil.example", "", "[::"])
def test_a_foreign_name_is_refused_whatever_is_asked(still: Bench, host: str) -> None:
    answer = still.browser.get("/api/slides", host=host)
    assert (answer.status_code, answer.json()["code"]) == (421, "foreign-host")


@pytest.mark.parametrize(
    "forged",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://localhost:8311"},
        {"sec-fetch-site": "cross-site"},
        {CSRF_HEADER: ""},
        {CSRF_HEADER: SIGN_IN},
        {CSRF_HEADER: "00" * 32},
    ],
)
def test_a_change_that_our_pages_did_not_ask_for_is_refused(still: Bench, forged: dict[str, str]) -> None:
    head = still.journal.head()
    answer = still.browser.post(f"/api/slides/{still.slide}/undo", headers=forged)
    assert (answer.status_code, answer.json()["code"]) == (403, "forged")
    assert still.journal.head() == head


def test_the_cookie_is_out_of_reach_of_scripts_and_of_other_sites(tmp_path: Path) -> None:
    begin_slide(tmp_path)
    with browser(tmp_path) as asked:
        cookie = asked.enter().headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=strict" in cookie


def test_a_form_of_another_kind_than_json_is_not_read(still: Bench) -> None:
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        answer = still.browser.post("/api/session", {}, {"content-type": kind})
        assert answer.status_code == 415


def test_a_body_that_is_too_large_is_refused_by_what_it_says_and_by_what_it_is(still: Bench) -> None:
    asked = still.browser
    large = {"name": "x" * MOST_BODY_BYTES, "token": ""}
    assert asked.post("/api/session", large).status_code == 413

    def pieces() -> "list[bytes]":
        return [b"[" * 65536] * 5

    headers = {**asked.headers, "content-type": "application/json"}
    answer = asked.client.post("/api/session", content=iter(pieces()), headers=headers)
    assert answer.status_code == 413


@pytest.mark.parametrize(
    "path",
    [
        "/static/../keys.py",
        "/static/%2e%2e/%2e%2e/app.py",
        "/static/x/..%2f..%2fapp.py",
        "/patches/..%2f..%2fetc/passwd/x.png",
        "/patches/1/0/" + "0" * 64 + ".png",
        "/fields/3/" + "f" * 64 + ".jpg",
        "/slides/..%2f..%2fjournal.sqlite3",
        "/slides/2/report.exe",
        "/slides/99999/report.pdf",
        "//etc/passwd",
        "/%00",
    ],
)
def test_no_path_reaches_a_file(still: Bench, path: str) -> None:
    answer = still.browser.get(path)
    assert answer.status_code in (404, 422)
    assert b"sqlite" not in answer.content.lower()


def test_every_answer_forbids_the_browser_what_our_pages_do_not_need(still: Bench) -> None:
    paths = ("/", "/enter", "/api/slides", "/nothing", f"/slides/{still.slide}", "/openapi.json")
    for path in paths:
        headers = still.browser.get(path).headers
        assert {name: headers[name] for name in SECURITY_HEADERS} == dict(SECURITY_HEADERS), path
        assert headers["cache-control"] == "no-store"
        assert "server" not in headers
    assert "'unsafe" not in SECURITY_HEADERS["content-security-policy"]


def test_pages_load_nothing_from_elsewhere_and_hold_no_script_of_their_own(still: Bench) -> None:
    for path in ("/", "/enter", "/slides", f"/slides/{still.slide}", f"/slides/{still.slide}/sign-off"):
        html = still.browser.get(path).text
        assert "://" not in html.replace("http://www.w3.org", ""), path
        assert " style=" not in html
        assert " on" not in html.split("<body")[0].replace(" only", "")
        assert html.count("<script") == html.count('<script type="module" src="/static/')
        assert "Research use only. Not for diagnosis." in html


def test_names_are_text_and_never_markup(tmp_path: Path) -> None:
    journal, _, _ = begin_slide(tmp_path, 0)
    from tests.edge.journal.made import WALL

    slide = journal.start_slide("<script>alert(1)</script>", WALL)
    with browser(tmp_path) as asked:
        asked.enter("<b>Ada</b>")
        html = asked.get(f"/slides/{slide}").text
        assert "<script>alert" not in html
        assert "<b>Ada" not in html
        assert "&lt;b&gt;Ada" in html
