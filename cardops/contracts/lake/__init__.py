"""Tables of the lake and the files made from them."""
