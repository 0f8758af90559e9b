"""What OpenAPI says is what is answered: every address asked with made-up input by schemathesis."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.core.result import Ok

from alledge.page.app import described
from alledge.service.control import ControlSocket
from tests.conftest import REPOSITORY
from tests.edge.page.made import Browser, browser
from tests.edge.review.made import begin_slide

EXAMPLES = 40


@contextmanager
def obedient_service(folder: Path) -> Iterator[None]:
    """A control socket where each order is obeyed at once."""
    control, is_over = ControlSocket(folder / "control.sock", lambda: {"state": "running"}), threading.Event()

    def obey() -> None:
        while not is_over.wait(0.005):
            for request in control.take():
                request.obeyed.set()

    thread = threading.Thread(target=obey)
    thread.start()
    yield
    is_over.set()
    thread.join()
    control.close()


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    folder = tmp_path_factory.mktemp("fuzzed")
    begin_slide(folder)
    with obedient_service(folder), browser(folder) as asked:
        asked.enter().raise_for_status()
        yield asked


@pytest.fixture(scope="module")
def schema(asked: Browser) -> schemathesis.BaseSchema:
    return schemathesis.openapi.from_dict(asked.get("/openapi.json").json())


def test_every_address_is_described_with_its_answers(asked: Browser) -> None:
    told = asked.get("/openapi.json").json()
    for path, methods in told["paths"].items():
        for method, about in methods.items():
            assert about["description"], (method, path)
            assert {"401", "403", "404", "421"} <= set(about["responses"]), (method, path)


FRAMEWORKS_OWN = ("HTTPValidationError", "ValidationError")  # they differ between versions of FastAPI


def test_the_description_in_the_documents_is_the_one_that_is_served() -> None:
    written = json.loads((REPOSITORY / "docs" / "openapi.json").read_text(encoding="utf-8"))
    served = json.loads(described())
    for told in (written, served):
        for name in FRAMEWORKS_OWN:
            told["components"]["schemas"].pop(name, None)
    assert written == served, "write it anew: alledge page --openapi docs/openapi.json"


def test_whatever_is_asked_the_answer_is_one_that_is_described(
    asked: Browser, schema: schemathesis.BaseSchema
) -> None:
    cookies, headers = dict(asked.client.cookies), asked.headers
    for result in schema.get_all_operations():
        assert isinstance(result, Ok), result
        operation = result.ok()
        if operation.path == "/live/stream":  # lasts for ever; tests/edge/page/test_live.py
            continue

        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            derandomize=True,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy())
        def check(case: schemathesis.Case[Any]) -> None:
            case.call_and_validate(
                base_url=str(asked.client.base_url),
                cookies=cookies,
                headers=headers,
                # Names and labels must be letters that can be shown: JSON Schema cannot say that.
                excluded_checks=[schemathesis.checks.positive_data_acceptance],
            )

        check()
