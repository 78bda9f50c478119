"""Fraud rings of a lake, against scipy's bare connected components of the same graph as integers.

CPU time, in processes of their own. Ours begins with Parquet and text and ends with every link, its ring
and the hubs; the limit begins with arrays of integers, in no order, of all edges: it neither reads nor
numbers anything. `CARDOPS_BENCH_EDGES` sets the edges between users and identifiers (10,000,000 unless
given).

Each user has four identifiers. One user in ten lives in a group of four who share some of them; one in
twenty is behind one of sixteen addresses of a carrier; two e-mail addresses in five are at a provider
that ignores dots.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Final

import duckdb
import numpy as np

from benchmarks.harness import Benchmark, Sides

EDGES: Final = int(os.environ.get("CARDOPS_BENCH_EDGES", "10000000"))
KINDS: Final = ("device", "card_token", "email", "ip_address")
DAYS: Final = 10
LAST: Final = date(2026, 11, 20)
# Each user with the number behind each identifier: the group's first member's where it is shared.
_USERS: Final = """
create table users as
select
    u,
    case when grouped and hash(u, 1) % 2 = 0 then u - u % 4 else u end as device,
    case when grouped and hash(u, 2) % 4 = 0 then u - u % 4 else u end as card_token,
    case when grouped and hash(u, 3) % 4 = 0 then u - u % 4 else u end as email,
    case
        when hash(u, 4) % 20 = 0 then -1 - (u % 16)
        when grouped and hash(u, 5) % 3 = 0 then u - u % 4
        else u
    end as ip_address
from (select n as u, hash(n // 4) % 10 = 0 as grouped from range({users}) as numbers (n))
"""
_TRANSACTIONS: Final = """
copy (
    select
        'default' as program, 1::bigint as intake_id, 'file' as source_file, u as row_number,
        'txn-' || u as transaction_id, 'ord-' || u as order_id, 'user-' || u as user_id,
        (hash(u) % 9000 + 100)::bigint as amount_minor, 'USD' as currency, 'completed' as status,
        'Dev-' || lpad(device::varchar, 12, '0') as device_id, 'tok-' || md5(card_token::varchar) as card_token,
        case when hash(email) % 5 < 2 then 'hol.der' || email || '@gmail.com'
            else 'Holder.' || email || '@example.com' end as email,
        case when ip_address < 0 then '100.64.0.' || -ip_address
            else format('{{}}.{{}}.{{}}.{{}}', 11 + ip_address // 16777216, ip_address // 65536 % 256,
                ip_address // 256 % 256, ip_address % 256) end as ip_address,
        timestamptz '2026-11-20 00:00:00+00' as created_at
    from users where u % {days} = {number}
) to '{target}' (format parquet, compression zstd, row_group_size 100000)
"""


def write_graph(folder: Path, edges: int) -> None:
    """The lake under `folder`, and the same edges as `edges.npz`."""
    with duckdb.connect() as session:
        session.execute("set memory_limit = '2GB'; set TimeZone = 'UTC'")
        session.execute(_USERS.format(users=edges // len(KINDS)))
        for number in range(DAYS):
            day = LAST - timedelta(days=number)
            target = folder / "lake" / "transactions" / f"business_date={day}" / "1.parquet"
            target.parent.mkdir(parents=True)
            session.execute(_TRANSACTIONS.format(days=DAYS, number=number, target=target))
        columns = session.execute(f"select u, {', '.join(KINDS)} from users").fetchnumpy()  # noqa: S608 - our own names
    mixing = np.random.default_rng(20261120)
    users, identifiers, known = [], [], 0
    for kind in KINDS:
        values, codes = np.unique(columns[kind], return_inverse=True)
        users.append(columns["u"])
        identifiers.append(codes + known)
        known += len(values)
    lefts = mixing.permutation(len(columns["u"]))[np.concatenate(users)].astype(np.int32)
    rights = mixing.permutation(known)[np.concatenate(identifiers)].astype(np.int32)
    np.savez(folder / "edges.npz", lefts=lefts, rights=rights)


def _measured(folder: Path, what: str) -> Callable[[], float]:
    def run() -> float:
        command = [sys.executable, "-m", "benchmarks.rings_run", what, str(folder)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603 - our own module
        return float(done.stdout)

    return run


@contextmanager
def _sides() -> Iterator[Sides]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_graph(folder, EDGES)
        yield Sides(_measured(folder, "ours"), _measured(folder, "bare"))


BENCHMARKS: Final = [Benchmark("rings_vs_scipy", "CPU s", "<= 1.5", _sides)]
