"""The shipped rules, read once as the service reads them."""

from importlib.resources import files

import pytest

from relay.replies import Classifier, load


def shipped_texts() -> dict[str, str]:
    folder = files("relay.replies") / "rules"
    return {
        entry.name: entry.read_text("utf-8")
        for entry in folder.iterdir()
        if entry.name.endswith(".yaml")
    }


@pytest.fixture(scope="session")
def texts() -> dict[str, str]:
    return shipped_texts()


@pytest.fixture(scope="session")
def classifier(texts: dict[str, str]) -> Classifier:
    return load(texts)
