"""Every trouble has its advice, with commands that name the destination."""

import pytest

from cardops.rules.deliveries.records import TransientDeliveryError
from cardops.rules.deliveries.troubles import Trouble, advice


@pytest.mark.parametrize("trouble", Trouble)
def test_each_trouble_has_advice_for_its_destination(trouble: Trouble) -> None:
    text = advice(trouble, "acquirer-1")

    assert text.endswith(".")
    assert "{" not in text
    assert ("acquirer-1" in text) == ("cardops destinations" in text)


def test_error_is_explained_in_one_text() -> None:
    error = TransientDeliveryError("visa (h:22) cannot be reached: refused.", Trouble.UNREACHABLE)

    assert error.explained("visa").startswith("visa (h:22) cannot be reached: refused. Check host")
