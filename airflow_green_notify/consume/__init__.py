"""What reads a store, and never the gateway."""
