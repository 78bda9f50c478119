"""Fraud rings: users of one program who share a device, card token, e-mail or IP address."""
