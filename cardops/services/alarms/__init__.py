"""Tell operators of incidents."""
