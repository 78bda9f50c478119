"""Alarms as incidents: when each opens, is told to operators, escalates and ends."""
