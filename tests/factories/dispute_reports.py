"""Dispute reports as processors send them: their headers, with rows in the shapes seen so far."""

from typing import Final

JPMORGAN_DETAILS: Final = "Record Type,Transaction Division External Identifier,Dispute Transaction Sequence Number,Dispute Type Code,Category,Issuer Dispute Presentment Currency Amount,Current Action Presentment Currency Amount,Presentment Currency Code,Merchant Order Number,Account Number,Consumer Name,Payment Method Code,Payment Brand Dispute Reason Code,Payment Brand Dispute Reason Text,ECP Reason Category Classification,ECP Reason Category Classification Text,Transaction Date,Dispute Initiate Date,Activity Date,Dispute Due Date,Dispute Usage Code,Accountholder Authorization Method,Accountholder Authorization Method Text,Acquirer Reference Number,Issuer Dispute Settlement Currency Amount,Current Action Settlement Currency Amount,Settlement Currency Code,Authorization Date,Action Code,Cardholder Debit Credit Indicator,Adjustment Number,Ticket Number,Status Flag Code,Digital Token Method Code,Potential Bundled Chargebacks Indicator"
JPMORGAN_SUMMARY: Final = "Record Type,Transaction Division External Identifier,Dispute Type Code,Category,Financial Non-Financial Code,Count,Presentment Currency Amount,Presentment Currency Code,Settlement Currency Amount,Settlement Currency Code"
JPMORGAN_PDE_0017: Final = "Record Type,Entity Type Code,Entity Identifier,Issuer Dispute Presentment Currency Amount,Previous Partial Representment,Presentment Currency Code,Dispute Category Code,Status Flag Code,Dispute Transaction Sequence Number,Merchant Order Number,Account Number,Payment Brand Dispute Reason Code,Transaction Date,Dispute Initiate Date,Activity Date,Current Action Presentment Currency Amount,Fee Amount,Dispute Usage Code,Acquirer Reference Number,Settlement Currency Code,Issuer Dispute Settlement Currency Amount,Current Action Settlement Currency Amount,Payment Method Code,Authorization Date,Dispute Due Date,Ticket Number,Digital Token Method Code,Dispute Type Code"
JPMORGAN_DETAILS_V2: Final = "Account Number,Acquirer Reference Number,Activity Date,Company Name,Consumer Name,Dispute Category Code,Dispute Due Date,Dispute Initiate Date,Dispute Transaction Sequence Number,Issuer Dispute Presentment Currency Amount,Merchant Order Number,Payment Brand Dispute Reason Code,Payment Brand Dispute Reason Text,Payment Method Code,Post Deposit Event Dispute Type Code,Presentment Currency Code,Record Count,Transaction Date"
ADYEN: Final = "Company Account,Merchant Account,Psp Reference,Merchant Reference,Payment Method,Record Date,Record Date TimeZone,Dispute Currency,Dispute Amount,Record Type,Dispute PSP Reference,Dispute Reason,RFI Scheme Code,RFI Reason Code,CB Scheme Code,CB Reason Code,NoF Scheme Code,NoF Reason Code,Payment Date,Payment Date TimeZone,Payment Currency,Payment Amount,Dispute Date,Dispute Date TimeZone,Dispute ARN,User Name,Risk Scoring,Shopper Interaction,Shopper Name,Shopper Email,Shopper Reference,Shopper PAN,Iban,Bic,Shopper IP,Shopper Country,Issuer Country,Issuer Id,3D Directory Response,3D Authentication Response,CVC2 Response,AVS Response,Dispute Auto Defended,Dispute End Date,Dispute End Date TimeZone"
STRIPE: Final = "id,Description,Created (UTC),Amount,Amount Refunded,Currency,Status,Card Last4,Card Brand,Disputed Amount,Dispute Status,Dispute Reason,Dispute Date (UTC),Dispute Evidence Due (UTC)"
WORLDPAY: Final = "caseId,merchantId,dayIssuedByBank,dateReceivedByVantivCnp,vantivCnpTxnId,cycle,orderId,cardNumberLast4,cardType,chargebackAmount,chargebackCurrencyType,originalTxnDay,chargebackType,representedAmount,representedCurrencyType,reasonCode,reasonCodeDescription,currentQueue,fraudNotificationStatus,acquirerReferenceNumber,chargebackReferenceNumber,preArbitrationAmount,preArbitrationCurrencyType,merchantTxnId,fraudNotificationDate,bin,token,historicalWinPercentage,customerId,paymentAmount,paymentSecondaryAmount,replyByDay"


def report(header: str, *rows: dict[str, str], quoted: bool = False) -> str:
    """Header and rows; cells that a row does not name are empty."""
    names = header.split(",")
    unknown = {name for row in rows for name in row} - set(names)
    assert not unknown, unknown
    lines = [names, *([row.get(name, "") for name in names] for row in rows)]
    quote = '"' if quoted else ""
    return "\r\n".join(",".join(f"{quote}{cell}{quote}" for cell in line) for line in lines)


def a_jpmorgan_row(**cells: str) -> dict[str, str]:
    """The columns that the three reports share."""
    row = {
        "Dispute Transaction Sequence Number": "7001",
        "Merchant Order Number": "order-1",
        "Issuer Dispute Presentment Currency Amount": "25.00",
        "Presentment Currency Code": "USD",
        "Account Number": "520000XXXXXX1234",
        "Payment Method Code": "MC",
        "Payment Brand Dispute Reason Code": "53",
        "Transaction Date": "11/01/2026",
        "Dispute Initiate Date": "11/10/2026",
        "Dispute Due Date": "12/24/2026",
    }
    return row | {name.replace("_", " "): cell for name, cell in cells.items()}
