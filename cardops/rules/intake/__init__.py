"""Input files: kinds, arrivals, row reasons, and the counts that must add up."""
