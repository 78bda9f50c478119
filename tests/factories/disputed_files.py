"""Headers and rows of a transaction and of the chargeback about it."""

TRANSACTIONS = (
    "transaction_id,order_id,user_id,amount,currency,payment_method,status,created_at,card_network"
)
PAID = "t1,o1,u1,100.00,USD,card,completed,2026-11-01T10:00:00Z,visa"
CHARGEBACKS = "transaction_id,chargeback_amount,dispute_date,currency,case_number,card_network"
DISPUTED = "t1,25.00,2026-11-10,USD,c1,visa"
