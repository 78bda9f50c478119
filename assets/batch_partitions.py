"""Partition keys of one batch and network each."""

import warnings
from collections.abc import Mapping, Sequence

import dagster as dg

# A network's file depends on its batch's partition and no other. The mapping is beta in Dagster, and
# chosen; a command that imports this module must not print the warning.
with warnings.catch_warnings():
    warnings.simplefilter("ignore", dg.BetaWarning)
    batch_of_network = dg.MultiToSingleDimensionPartitionMapping(partition_dimension_name="batch")


class NoPartitionsError(ValueError):
    """A run has no partitions."""

    def __init__(self) -> None:
        super().__init__(
            "This run names no batch and network: its partition range is empty or reversed. "
            "Nothing was done; start it again with a range from the first to the last key."
        )


def slots_by_batch(partition_keys: Sequence[str]) -> Mapping[str, tuple[str, ...]]:
    """Batch -> its networks in this run. Raises NoPartitionsError: an empty run would succeed."""
    slots: dict[str, tuple[str, ...]] = {}
    for key in partition_keys:
        batch_id, network = batch_and_network(key)
        slots[batch_id] = (*slots.get(batch_id, ()), network)
    if not slots:
        raise NoPartitionsError
    return slots


def batch_and_network(key: str) -> tuple[str, str]:
    """The two dimensions of one partition key."""
    if isinstance(key, dg.MultiPartitionKey):
        return key.keys_by_dimension["batch"], key.keys_by_dimension["network"]
    batch_id, _, network = key.rpartition("|")
    return batch_id, network


def partition_key_of(batch_id: str, network: str) -> dg.MultiPartitionKey:
    """The partition of one batch and network."""
    return dg.MultiPartitionKey({"batch": batch_id, "network": network})
