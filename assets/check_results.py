"""The result of a check that a sensor reports, too: judged once, and the same from both.

Belongs here: the conversion. What a check says is in its asset's module.
"""

import dagster as dg


def result_of(evaluation: dg.AssetCheckEvaluation) -> dg.AssetCheckResult:
    """What the asset itself yields, for what a sensor reports as an event."""
    return dg.AssetCheckResult(
        check_name=evaluation.check_name,
        passed=evaluation.passed,
        severity=evaluation.severity,
        description=evaluation.description,
        metadata=evaluation.metadata,
    )
