"""Files of any format to chunks of text rows, in bounded memory; nothing is judged here.

A chunk is a frame: `row_number` (records from 1, header and blank lines not counted), `raw` (the
record as it stood in the file), `framing` (a row reason, or null) and the contract's columns as
trimmed text, empty cells null.
"""
