"""What a file must look like: contracts, aliases, importers and readers. Vectorised, no I/O."""
