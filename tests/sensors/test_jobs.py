"""What Cardops relies on of Dagster's private names."""

import dagster as dg
import pytest

from sensors.jobs import AssetJob

pytestmark = pytest.mark.dagster


def test_defined_asset_job_has_the_type_that_sensors_accept() -> None:
    assert type(dg.define_asset_job("daily_close", "*")) is AssetJob
