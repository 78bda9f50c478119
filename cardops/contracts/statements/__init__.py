"""Bank statements in the formats of banks: camt.053, MT940, BAI2.

Belongs here: one module a format, which makes `Statement` values of a file with a library's parser.
Their rows are judged by the contract of bank statements like those of any other file.
"""
