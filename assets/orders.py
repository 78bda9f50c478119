"""Order files of a business date into the lake."""

from assets.intake import intake_asset, intake_checks
from cardops.contracts.kinds.orders import ORDERS

orders = intake_asset(ORDERS)
order_checks = intake_checks(ORDERS)
