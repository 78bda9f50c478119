"""The request rate of an API key: a token bucket that takes the time as an argument."""

from dataclasses import dataclass


@dataclass(slots=True)
class TokenBucket:
    """Refills steadily, up to the tokens of one second."""

    per_second: float
    tokens: float
    filled_at: float

    def take(self, at: float) -> float:
        """Take a token: 0 where one was available, else the seconds until the next."""
        elapsed = max(at - self.filled_at, 0.0)
        self.tokens = min(self.tokens + elapsed * self.per_second, max(self.per_second, 1.0))
        self.filled_at = at
        if self.tokens >= 1.0:
            self.tokens -= 1.0
            return 0.0
        return (1.0 - self.tokens) / self.per_second
