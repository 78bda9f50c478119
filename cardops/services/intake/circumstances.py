"""What a file is judged by beside its content, gathered from the ports."""

from cardops.contracts.judging.files import FileCircumstances
from cardops.contracts.kinds.registry import Kinds
from cardops.contracts.reading.compression import extension_of
from cardops.rules.intake.files import IntakeFile
from cardops.rules.mappings.mapping import FileMapping
from cardops.rules.programs.programs import Program
from cardops.services.intake.known_rows import referenced_by
from cardops.services.intake.ports import IntakePorts
from cardops.services.intake.recalled_files import origin_of


def circumstances_of(
    intake_file: IntakeFile,
    ports: IntakePorts,
    kinds: Kinds,
    orphans: frozenset[int] = frozenset(),
) -> FileCircumstances:
    """The circumstances of the file now; `orphans`: see `FileCircumstances`."""
    program, batch_id = intake_file.arrival.program, intake_file.batch_id
    found = ports.programs.find(program) or Program(program)
    return FileCircumstances(
        intake_file,
        currency=found.currency,
        now=ports.clock.now(),
        batch_mode=ports.intake_ledger.batch_mode(batch_id) if batch_id else None,
        referenced=referenced_by(kinds[intake_file.arrival.kind], program, ports, kinds),
        orphans=orphans,
        routes=found.network_routes,
        mapping=_mapping_of(intake_file, ports, kinds),
    )


def _mapping_of(intake_file: IntakeFile, ports: IntakePorts, kinds: Kinds) -> FileMapping | None:
    """How the file is read; None for rows of a file that a library read, which no mapping describes."""
    converters = kinds[intake_file.arrival.kind].contract.converters
    origin: IntakeFile | None = intake_file
    while origin is not None and converters:
        if extension_of(origin.arrival.key) in converters:  # guard: converted-rows
            return None
        origin = origin_of(origin, ports.intake_ledger)
    return ports.intake_ledger.mapping_of(intake_file)
