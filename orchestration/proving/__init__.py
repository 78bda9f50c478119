"""`cardops doctor --prove`: damages planted in a copy, and the checks that find them."""
