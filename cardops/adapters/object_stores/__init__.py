"""Object stores: directories and S3."""
