"""The embedded PostgreSQL server: binaries, cluster, supervision."""
