"""The drill of recovery: dump, restore, compare, reconcile, and find every planted damage.

Belongs here: its order. What counts as passed is in cardops.rules.reconciliation.drills.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from typing_extensions import override

from cardops.bootstrap import Adapters, restored_store
from cardops.ports import RecoveryDrill
from cardops.rules.reconciliation.drills import Drill
from cardops.settings import Settings
from orchestration.proving.copies import proving_in


@dataclass(frozen=True, slots=True)
class SettingsDrill(RecoveryDrill):
    """Over what these settings name."""

    settings: Settings

    @override
    def run(self, say: Callable[[str], None]) -> Drill:
        with restored_store(self.settings, say) as (url, restore):
            if restore.differing:
                # What is not the same store proves nothing about its checks.
                return Drill(restore, break_count=0, damages=(), missed=())
            yesterday = Adapters(self.settings).database_clock.now().date() - timedelta(days=1)
            with proving_in(url, self.settings, say, as_of=yesterday) as ready:
                say("Planting damages, one after the other.")
                proofs = list(ready.proofs())
        return Drill(
            restore,
            break_count=ready.undamaged.height,
            damages=[proof.damage.kind for proof in proofs],
            missed=[proof.damage.kind for proof in proofs if not proof.is_found],
        )
