"""ConfigurableResources: each reads its settings when a run begins and builds one adapter."""
