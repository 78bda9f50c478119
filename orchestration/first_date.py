"""Partitions of business dates that begin with a home's first one: no date before it can be missing.

Belongs here: giving that date to the assets. Where it comes from is in orchestration.local.instance.
"""

from collections.abc import Sequence
from datetime import date

import dagster as dg

from assets.daily_closes import FIRST_DATE, NAME
from assets.partitions import business_dates, dates_from


def beginning_on(first: date, assets: Sequence[dg.AssetsDefinition]) -> list[dg.AssetsDefinition]:
    """The same assets; those with a partition for each business date begin on that date.

    What shows the closes has no partitions, and is told the date.
    """
    dates = dates_from(first)

    def with_dates(spec: dg.AssetSpec) -> dg.AssetSpec:
        if spec.key.to_user_string() == NAME:
            return spec.merge_attributes(metadata={FIRST_DATE: first.isoformat()})
        is_dated = spec.partitions_def == business_dates
        return spec.replace_attributes(partitions_def=dates) if is_dated else spec

    return [asset.map_asset_specs(with_dates) for asset in assets]
