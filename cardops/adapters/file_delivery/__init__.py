"""File delivery to card companies over SFTP and FTPS."""
