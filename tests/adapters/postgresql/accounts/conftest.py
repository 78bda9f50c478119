"""What these tests have in common."""

from tests.factories.kept_sessions import sessions_are_kept  # noqa: F401 - a fixture of these tests
