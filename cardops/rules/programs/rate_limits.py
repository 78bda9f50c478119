"""How often a key may ask: a token bucket, told the time."""

from dataclasses import dataclass


@dataclass(slots=True)
class TokenBucket:
    """Refills evenly up to one second's worth."""

    per_second: float
    tokens: float
    filled_at: float

    def take(self, at: float) -> float:
        """0 where a token was left, else the seconds until there is one."""
        elapsed = max(at - self.filled_at, 0.0)
        self.tokens = min(self.tokens + elapsed * self.per_second, max(self.per_second, 1.0))
        self.filled_at = at
        if self.tokens >= 1.0:
            self.tokens -= 1.0
            return 0.0
        return (1.0 - self.tokens) / self.per_second
