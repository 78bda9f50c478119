"""What must agree in the books, and the kinds of damage that prove the checks."""
