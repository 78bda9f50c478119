"""What the columns of processors' dispute reports mean, one module a processor."""
