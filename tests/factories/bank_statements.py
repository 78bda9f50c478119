"""Bank statements in every format, all saying the same: 1000.00, +250.50, -3.00, 1247.50 USD."""

from typing import Final

from cardops.contracts.kinds.bank_statements import BankStatementRow
from tests.factories.intake_environment import csv_file

ACCOUNT: Final = "DE89370400440532013000"
HEADER: Final = ",".join(BankStatementRow.to_schema().columns)
OPENED: Final = "1000.00"
CLOSED: Final = "1247.50"


def statement_line(
    entry: str, *, statement: str = "s-1", opening: str = OPENED, closing: str = CLOSED
) -> str:
    """One line of the strict contract; `entry` has its cells from `entry_id` on."""
    return f"{ACCOUNT},{statement},2026-11-20,USD,{opening},{closing},{entry}"


LINES: Final = (
    statement_line("1,250.50,credit,2026-11-20,2026-11-20,dep-file-1,Funding of deposits"),
    statement_line("2,3.00,debit,2026-11-20,,,Fee"),
)
CSV: Final = csv_file(HEADER, *LINES)
MT940: Final = f"""{{1:F01BANKDEFFXXXX0000000000}}{{2:I940CUSTOMERXXXXN}}{{4:
:20:STMT1
:25:{ACCOUNT}
:28C:00012/001
:60F:C261119USD1000,00
:61:2611201120C250,50NTRFdep-file-1//BANKREF1
:86:Funding of deposits
:62M:C261120USD1250,50
-}}
:20:STMT1
:25:{ACCOUNT}
:28C:00012/002
:60M:C261120USD1250,50
:61:2611201120RC3,00NMSCNONREF//FEE7
:86:Fee
:62F:C261120USD1247,50
-
"""
CAMT053: Final = f"""<?xml version="1.0" encoding="UTF-8"?>
<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.053.001.08"><BkToCstmrStmt><Stmt>
<Id>STMT 1</Id><CreDtTm>2026-11-21T01:00:00</CreDtTm><Acct><Id><IBAN>{ACCOUNT}</IBAN></Id></Acct>
<Bal><Tp><CdOrPrtry><Cd>OPBD</Cd></CdOrPrtry></Tp><Amt Ccy="USD">1000.00</Amt>
<CdtDbtInd>CRDT</CdtDbtInd><Dt><Dt>2026-11-20</Dt></Dt></Bal>
<Bal><Tp><CdOrPrtry><Cd>CLBD</Cd></CdOrPrtry></Tp><Amt Ccy="USD">1247.50</Amt>
<CdtDbtInd>CRDT</CdtDbtInd><Dt><Dt>2026-11-20</Dt></Dt></Bal>
<Ntry><Amt Ccy="USD">250.50</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts>
<BookgDt><Dt>2026-11-20</Dt></BookgDt><ValDt><Dt>2026-11-20</Dt></ValDt>
<AcctSvcrRef>BANKREF1</AcctSvcrRef><NtryDtls><TxDtls><Refs><EndToEndId>dep-file-1</EndToEndId></Refs>
<RmtInf><Ustrd>Funding of</Ustrd><Ustrd>deposits</Ustrd></RmtInf></TxDtls></NtryDtls></Ntry>
<Ntry><Amt Ccy="USD">99.00</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts>PDNG</Sts></Ntry>
<Ntry><Amt Ccy="USD">3.00</Amt><CdtDbtInd>DBIT</CdtDbtInd><Sts>BOOK</Sts>
<BookgDt><DtTm>2026-11-20T11:00:00Z</DtTm></BookgDt><AddtlNtryInf>Fee</AddtlNtryInf></Ntry>
</Stmt></BkToCstmrStmt></Document>"""
BAI2: Final = f"""01,BANK,CUSTOMER,261121,0100,1,,,2/
02,CUSTOMER,BANK,1,261120,,USD,2/
03,{ACCOUNT},USD,010,100000,,,015,124750,,/
16,195,25050,0,BANKREF1,dep-file-1,Funding of deposits/
16,698,300,0,,,Fee/
49,250100,4/
98,250100,1,6/
99,250100,1,8/
"""
FORMATS: Final = {"csv": CSV, "sta": MT940, "xml": CAMT053, "bai2": BAI2}
