"""Assembly only: definitions, environments, jobs, schedules, and the cardops command."""
